//! The Store port on SQLite and PostgreSQL (one set of query files, mounted twice) and in memory.
