package paymentstest_test

import (
	"os"
	"strings"
	"testing"
)

func TestTheReadmeShowsTheCheckoutAndItsTest(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("checkout_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, afterImports, _ := strings.Cut(string(program), "\n)\n\n")
	if !strings.Contains(string(readme), "```go\n"+afterImports+"```\n") {
		t.Errorf("README.md does not show this code of checkout_test.go:\n%s", afterImports)
	}
}
