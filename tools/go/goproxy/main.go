// Goproxy writes a Go module in the layout of a module proxy, so that any web server, or GOPROXY=file://, can serve it. The
// module has the files that the go command takes from a tag, including the tests, so that its checksum is the same either
// way. SOURCE_DATE_EPOCH must be set; it becomes the time of the version.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// info describes a version in the protocol of module proxies.
type info struct {
	Version string
	Time    time.Time
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: goproxy MODULE_FOLDER VERSION PROXY_FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(source, number, proxy string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH must be seconds since 1970: %w", err)
	}
	goMod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	version := module.Version{Path: modfile.ModulePath(goMod), Version: "v" + number}
	if err := module.Check(version.Path, version.Version); err != nil {
		return err
	}
	path, err := module.EscapePath(version.Path)
	if err != nil {
		return err
	}
	description, err := json.Marshal(info{version.Version, time.Unix(seconds, 0).UTC()})
	if err != nil {
		return err
	}
	folder := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "list"), []byte(version.Version+"\n"), 0o644),
		os.WriteFile(filepath.Join(folder, version.Version+".info"), description, 0o644),
		os.WriteFile(filepath.Join(folder, version.Version+".mod"), goMod, 0o644),
		writeZip(filepath.Join(folder, version.Version+".zip"), version, source),
	)
}

func writeZip(path string, version module.Version, source string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(zip.CreateFromDir(file, version, source), file.Close())
}
