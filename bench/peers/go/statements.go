package main

import (
	"context"
	"database/sql"
	"sync"
)

const maxCachedStatements = 200

// statements caches the prepared statements of lists by their text, one for each combination of filter and order.
type statements struct {
	db     *sql.DB
	mutex  sync.RWMutex
	cached map[string]*sql.Stmt
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, cached: make(map[string]*sql.Stmt)}
}

func (s *statements) query(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	s.mutex.RLock()
	statement, cached := s.cached[text]
	hasSpace := len(s.cached) < maxCachedStatements
	s.mutex.RUnlock()
	if !cached && !hasSpace {
		return s.db.QueryContext(ctx, text, values...)
	}
	if !cached {
		var err error
		if statement, err = s.prepare(ctx, text); err != nil {
			return nil, err
		}
	}
	return statement.QueryContext(ctx, values...)
}

func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if statement, cached := s.cached[text]; cached {
		return statement, nil
	}
	statement, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.cached[text] = statement
	return statement, nil
}
