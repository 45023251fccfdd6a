module payments.internal/bench

go 1.25.0

require (
	github.com/go-sql-driver/mysql v1.10.1
	golang.org/x/net v0.57.0
	golang.org/x/sys v0.47.0
	google.golang.org/genproto v0.0.0-20260319201613-d00831a3d3e7
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260706201446-f0a921348800
	google.golang.org/grpc v1.84.0
	google.golang.org/protobuf v1.36.12
	payments.internal/payments v1.0.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	golang.org/x/text v0.40.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260706201446-f0a921348800 // indirect
)

replace payments.internal/payments => ../clients/go
