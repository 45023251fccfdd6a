package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"payments.internal/payments"
)

const (
	maxSafeInteger    = 1<<53 - 1
	eventuallyTimeout = 30 * time.Second
	eventuallyPause   = 100 * time.Millisecond
)

// testCase is one case of the file: calls and their expected outcomes.
type testCase struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

// step is one call and its expected outcome: a result, an error, or the name of the argument that the client rejects.
type step struct {
	Call             string         `json:"call"`
	Args             map[string]any `json:"args"`
	Repeat           int            `json:"repeat"`
	Result           map[string]any `json:"result"`
	Error            *expectedError `json:"error"`
	RejectedArgument string         `json:"rejected_argument"`
	// Eventually is whether the outcome takes time, so that the call is repeated until the outcome matches.
	Eventually bool `json:"eventually"`
}

// readCases reads the file. It decodes numbers as json.Number, because a float cannot represent every id.
func readCases(file string) ([]testCase, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var cases []testCase
	return cases, decoder.Decode(&cases)
}

// caseRun is one run of a case, with the values that it saves and generates.
type caseRun struct {
	client    *payments.Client
	saved     map[string]any
	generated map[string]any
}

func newCaseRun(client *payments.Client) *caseRun {
	return &caseRun{client, map[string]any{}, map[string]any{}}
}

// run runs the steps of a case, and returns an error for the first one with an unexpected outcome.
func (r *caseRun) run(ctx context.Context, c testCase) error {
	for index, step := range c.Steps {
		run := r.runStep
		if step.Eventually {
			run = r.runUntilMatch
		}
		if err := run(ctx, step); err != nil {
			return fmt.Errorf("%s: step %d: %w", c.Name, index+1, err)
		}
	}
	return nil
}

// runUntilMatch repeats a step until its outcome matches.
func (r *caseRun) runUntilMatch(ctx context.Context, step step) error {
	for deadline := time.Now().Add(eventuallyTimeout); ; time.Sleep(eventuallyPause) {
		saved := maps.Clone(r.saved)
		err := r.runStep(ctx, step)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		r.saved = saved // without the values of an outcome that does not match
	}
}

func (r *caseRun) runStep(ctx context.Context, step step) error {
	args := r.arguments(step.Args)
	type outcome struct {
		result any
		err    error
	}
	outcomes := make([]outcome, max(1, step.Repeat))
	var group sync.WaitGroup
	for index := range outcomes {
		group.Go(func() { outcomes[index].result, outcomes[index].err = callClient(ctx, r.client, step.Call, args) })
	}
	group.Wait()
	for _, outcome := range outcomes {
		if err := r.check(step, outcome.result, outcome.err); err != nil {
			return err
		}
	}
	return nil
}

func (r *caseRun) check(step step, result any, err error) error {
	var argumentError *payments.ArgumentError
	var callError *payments.CallError
	switch {
	case err == nil && step.Result != nil:
		return r.match(step.Result, result, step.Call)
	case err == nil:
		return fmt.Errorf("expected an error, but the call returned %v", result)
	case step.Error != nil && errors.As(err, &callError):
		return r.checkError(*step.Error, err)
	case step.RejectedArgument != "" && errors.As(err, &argumentError) &&
		strings.Contains(normalize(err.Error()), normalize(step.RejectedArgument)):
		return nil
	}
	return fmt.Errorf("the call failed with %T: %w", err, err)
}

// normalize returns a name in lower case without underscores, because languages use these differently.
func normalize(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// argument returns a value of the case with its special objects replaced.
func (r *caseRun) argument(value any) any {
	switch special, name := specialForm(value); special {
	case "$get":
		return r.saved[name]
	case "$new":
		return r.generate(name)
	}
	switch value := value.(type) {
	case map[string]any:
		return r.arguments(value)
	case []any:
		list := make([]any, len(value))
		for index, item := range value {
			list[index] = r.argument(item)
		}
		return list
	}
	return value
}

func (r *caseRun) arguments(values map[string]any) arguments {
	args := arguments{}
	for name, value := range values {
		args[name] = r.argument(value)
	}
	return args
}

func (r *caseRun) generate(name string) any {
	if _, ok := r.generated[name]; !ok {
		if strings.HasPrefix(name, "order_id") {
			r.generated[name] = json.Number(strconv.FormatInt(rand.Int64N(maxSafeInteger)+1, 10))
		} else {
			r.generated[name] = fmt.Sprintf("request-%016x%016x", rand.Uint64(), rand.Uint64())
		}
	}
	return r.generated[name]
}

// match compares an outcome, or the part of it at where, with the expected value.
func (r *caseRun) match(expected, actual any, where string) error {
	switch special, name := specialForm(expected); special {
	case "$save":
		if actual == nil {
			return fmt.Errorf("%s is null, expected: any other value", where)
		}
		if _, ok := r.saved[name]; !ok {
			r.saved[name] = actual
		}
		expected = r.saved[name]
	case "$get":
		expected = r.saved[name]
	case "$new":
		expected = r.generate(name)
	case "$type":
		if !hasType(name, actual) {
			return fmt.Errorf("%s is %v, expected: a value of type %s", where, actual, name)
		}
		return nil
	}
	switch expected := expected.(type) {
	case map[string]any:
		return r.matchObject(expected, actual, where)
	case []any:
		return r.matchList(expected, actual, where)
	}
	if expected != actual {
		return fmt.Errorf("%s is %#v, expected: %#v", where, actual, expected)
	}
	return nil
}

func (r *caseRun) matchObject(expected map[string]any, actual any, where string) error {
	object, ok := actual.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is %v, expected: an object", where, actual)
	}
	for name, value := range expected {
		member, ok := object[name]
		if !ok {
			return fmt.Errorf("%s has no %s", where, name)
		}
		if err := r.match(value, member, where+"."+name); err != nil {
			return err
		}
		if name == "labels" && len(value.(map[string]any)) != len(member.(map[string]any)) {
			return fmt.Errorf("%s.labels is %v, expected: %v", where, member, value)
		}
	}
	return nil
}

func (r *caseRun) matchList(expected []any, actual any, where string) error {
	list, ok := actual.([]any)
	if !ok || len(list) != len(expected) {
		return fmt.Errorf("%s is %v, expected: a list of %d", where, actual, len(expected))
	}
	for index, value := range expected {
		if err := r.match(value, list[index], fmt.Sprintf("%s[%d]", where, index)); err != nil {
			return err
		}
	}
	return nil
}

// specialForm returns the name and value of an object's only member, if its name begins with $.
func specialForm(value any) (special, name string) {
	object, _ := value.(map[string]any)
	for member, value := range object {
		if name, ok := value.(string); ok && len(object) == 1 && strings.HasPrefix(member, "$") {
			return member, name
		}
	}
	return "", ""
}

// hasType reports whether a value has the type that $type names.
func hasType(kind string, value any) bool {
	switch value := value.(type) {
	case string:
		_, err := time.Parse(time.RFC3339Nano, value)
		return kind == "text" && value != "" || kind == "time" && err == nil
	case json.Number:
		id, err := value.Int64()
		return kind == "id" && err == nil && id >= 1
	}
	return false
}
