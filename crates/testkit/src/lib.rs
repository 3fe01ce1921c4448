//! Stub nodes and fixtures for tests.
