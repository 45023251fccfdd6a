package main

import (
	"context"
	"database/sql"
	"sync"
)

const maxKeptStatements = 200

// statements keeps the statements of lists prepared, by their text: there is one for each way to filter and order.
type statements struct {
	db    *sql.DB
	mutex sync.RWMutex
	kept  map[string]*sql.Stmt
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, kept: make(map[string]*sql.Stmt)}
}

func (s *statements) query(ctx context.Context, text string, values ...any) (*sql.Rows, error) {
	s.mutex.RLock()
	statement, kept := s.kept[text]
	room := len(s.kept) < maxKeptStatements
	s.mutex.RUnlock()
	if !kept && !room {
		return s.db.QueryContext(ctx, text, values...)
	}
	if !kept {
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
	if statement, kept := s.kept[text]; kept {
		return statement, nil
	}
	statement, err := s.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.kept[text] = statement
	return statement, nil
}
