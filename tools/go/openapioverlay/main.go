// Openapioverlay applies an OpenAPI overlay to an OpenAPI document and prints the result as YAML. It fails if the target
// of an action is not in the document, so that an outdated overlay is noticed.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/speakeasy-api/openapi/overlay"
	"gopkg.in/yaml.v3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: openapioverlay OVERLAY DOCUMENT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(overlayPath, documentPath string) error {
	actions, err := overlay.Parse(overlayPath)
	if err != nil {
		return err
	}
	if err := actions.Validate(); err != nil {
		return fmt.Errorf("%s: %w", overlayPath, err)
	}
	text, err := os.ReadFile(documentPath)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", documentPath, err)
	}
	warnings, err := actions.ApplyToStrict(&document)
	if err != nil {
		return fmt.Errorf("%s: %w", overlayPath, err)
	}
	if len(warnings) > 0 {
		return errors.New(strings.Join(warnings, "\n"))
	}
	return yaml.NewEncoder(os.Stdout).Encode(&document)
}
