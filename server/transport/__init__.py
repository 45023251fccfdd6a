"""How calls arrive and answers leave; the sole owner of grpc and protobuf."""
