"""Authentication, authorization, rejected requests and secrecy."""
