package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// settings come from environment variables with the names that the service uses.
type settings struct {
	grpcPort           string
	tlsCertFile        string
	tlsKeyFile         string
	successProbability float64
	database           *mysql.Config
}

func readSettings() (settings, error) {
	probability, err := strconv.ParseFloat(variable("SUCCESS_PROBABILITY", "0.6"), 64)
	if err != nil || probability < 0 || probability > 1 {
		return settings{}, fmt.Errorf("SUCCESS_PROBABILITY must be a number from 0 to 1")
	}
	database := mysql.NewConfig()
	database.User = variable("MYSQL_USER", "root")
	database.Passwd = os.Getenv("MYSQL_PASSWORD")
	database.DBName = variable("MYSQL_DB", "ecommerce")
	database.Net = "tcp"
	database.Addr = net.JoinHostPort(variable("MYSQL_HOST", "127.0.0.1"), variable("MYSQL_PORT", "3306"))
	if socket := os.Getenv("MYSQL_SOCKET"); socket != "" {
		database.Net, database.Addr = "unix", socket
	}
	database.ParseTime = true
	database.Loc = time.UTC
	database.Params = map[string]string{"time_zone": "'+00:00'"}
	return settings{
		grpcPort:           variable("GRPC_PORT", "50051"),
		tlsCertFile:        os.Getenv("TLS_CERT_FILE"),
		tlsKeyFile:         os.Getenv("TLS_KEY_FILE"),
		successProbability: probability,
		database:           database,
	}, nil
}

func variable(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
