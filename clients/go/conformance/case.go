package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"payments.internal/payments"
)

const mostExactInteger = 1<<53 - 1

// testCase is one of the list: calls to make, and what must come of them.
type testCase struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

// step is one call with one expectation: a result, an error, or a word of the client's refusal.
type step struct {
	Call    string         `json:"call"`
	Args    map[string]any `json:"args"`
	Repeat  int            `json:"repeat"`
	Result  map[string]any `json:"result"`
	Error   *expectedError `json:"error"`
	Refused string         `json:"refused"`
}

// readCases keeps numbers as they are written: an id may be no exact float.
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

// caseRun is one case being run, with what it keeps from step to step.
type caseRun struct {
	client *payments.Client
	kept   map[string]any
	made   map[string]any
}

func newCaseRun(client *payments.Client) *caseRun {
	return &caseRun{client, map[string]any{}, map[string]any{}}
}

// run makes the steps of a case, and returns an error at the first whose outcome is another than expected.
func (r *caseRun) run(ctx context.Context, c testCase) error {
	for index, step := range c.Steps {
		if err := r.runStep(ctx, step); err != nil {
			return fmt.Errorf("%s: step %d: %w", c.Name, index+1, err)
		}
	}
	return nil
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
	var refusal *payments.ArgumentError
	var callError *payments.CallError
	switch {
	case err == nil && step.Result != nil:
		return r.match(step.Result, result, step.Call)
	case err == nil:
		return fmt.Errorf("there was no error, but a result: %v", result)
	case step.Error != nil && errors.As(err, &callError):
		return step.Error.check(err)
	case step.Refused != "" && errors.As(err, &refusal) && strings.Contains(plain(err.Error()), plain(step.Refused)):
		return nil
	}
	return fmt.Errorf("it failed with %T: %w", err, err)
}

// plain is a name in a spelling that all languages share.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// argument returns what a value of the list stands for.
func (r *caseRun) argument(value any) any {
	switch special, name := specialForm(value); special {
	case "$get":
		return r.kept[name]
	case "$new":
		return r.makeNew(name)
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

func (r *caseRun) makeNew(name string) any {
	if _, ok := r.made[name]; !ok {
		if strings.HasPrefix(name, "order_id") {
			r.made[name] = json.Number(strconv.FormatInt(rand.Int64N(mostExactInteger)+1, 10))
		} else {
			r.made[name] = fmt.Sprintf("request-%016x%016x", rand.Uint64(), rand.Uint64())
		}
	}
	return r.made[name]
}

// match compares an outcome with what is expected at that place.
func (r *caseRun) match(expected, actual any, where string) error {
	switch special, name := specialForm(expected); special {
	case "$save":
		if actual == nil {
			return fmt.Errorf("%s is null", where)
		}
		if _, ok := r.kept[name]; !ok {
			r.kept[name] = actual
		}
		expected = r.kept[name]
	case "$get":
		expected = r.kept[name]
	case "$new":
		expected = r.makeNew(name)
	case "$type":
		if !isOf(name, actual) {
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

// specialForm returns the two parts of an object whose one member's name begins with $.
func specialForm(value any) (special, name string) {
	object, _ := value.(map[string]any)
	for member, value := range object {
		if name, ok := value.(string); ok && len(object) == 1 && strings.HasPrefix(member, "$") {
			return member, name
		}
	}
	return "", ""
}

func isOf(kind string, value any) bool {
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
