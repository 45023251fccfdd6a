package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

const (
	caller = "anonymous"

	// With 64 calls in flight on two cores, 16 and 32 connections make about the same number of charges per second, and
	// 64 make a third fewer, because the database switches between more threads without committing more at a time.
	maxConnections = 32

	attempts = 3

	duplicateEntry  = 1062
	lockWaitTimeout = 1205
	deadlock        = 1213
)

// A store reads and writes payments in the database.
type store struct {
	db *sql.DB

	insertPayment     *sql.Stmt
	selectCharge      *sql.Stmt
	lockPayment       *sql.Stmt
	selectRefund      *sql.Stmt
	selectLastRefund  *sql.Stmt
	insertRefund      *sql.Stmt
	updateRefunded    *sql.Stmt
	selectByID        *sql.Stmt
	selectByReference *sql.Stmt
	listStatements    *statements
}

// openStore connects to the database and prepares the statements.
func openStore(ctx context.Context, settings settings) (*store, error) {
	db, err := open(ctx, settings.database)
	if err != nil {
		return nil, err
	}
	s := &store{db: db, listStatements: newStatements(db)}
	for text, statement := range map[string]**sql.Stmt{
		insertPaymentText:     &s.insertPayment,
		selectChargeText:      &s.selectCharge,
		lockPaymentText:       &s.lockPayment,
		selectRefundText:      &s.selectRefund,
		selectLastRefundText:  &s.selectLastRefund,
		insertRefundText:      &s.insertRefund,
		updateRefundedText:    &s.updateRefunded,
		selectByIDText:        &s.selectByID,
		selectByReferenceText: &s.selectByReference,
	} {
		if *statement, err = db.PrepareContext(ctx, text); err != nil {
			db.Close()
			return nil, err
		}
	}
	return s, nil
}

func open(ctx context.Context, config *mysql.Config) (*sql.DB, error) {
	isolation, err := isolationVariable(ctx, config)
	if err != nil {
		return nil, err
	}
	config.Params[isolation] = "'READ-COMMITTED'"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	return db, nil
}

// isolationVariable returns the server's name for the transaction isolation, because MariaDB before 11.1 and MySQL 8
// each know only their own.
func isolationVariable(ctx context.Context, config *mysql.Config) (string, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", fmt.Errorf("cannot query the database: %w", err)
	}
	if strings.Contains(version, "MariaDB") {
		return "tx_isolation", nil
	}
	return "transaction_isolation", nil
}

// close closes the connections after the calls have ended.
func (s *store) close() { s.db.Close() }

func isDuplicate(err error) bool { return hasNumber(err, duplicateEntry) }

func hasNumber(err error, numbers ...uint16) bool {
	var mysqlError *mysql.MySQLError
	if !errors.As(err, &mysqlError) {
		return false
	}
	for _, number := range numbers {
		if mysqlError.Number == number {
			return true
		}
	}
	return false
}

// withRetry retries work that failed because of a deadlock or a lock wait timeout.
func withRetry(work func() error) error {
	var err error
	for range attempts {
		if err = work(); !hasNumber(err, lockWaitTimeout, deadlock) {
			return err
		}
	}
	return err
}
