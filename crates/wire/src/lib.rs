//! What travels: snapshot and delta frames, OFREP bodies, problem documents.
