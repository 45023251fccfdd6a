package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheInMemoryServicePassesAllCases(t *testing.T) {
	// In a bubble, waiting takes no time. Its clock starts in 2000, which is before the times in the cases.
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		failed, err := run(t.Context(), []string{"fake", "../../conformance/cases.json"})
		if err != nil {
			t.Fatal(err)
		}
		if failed > 0 {
			t.Errorf("%d cases failed", failed)
		}
	})
}
