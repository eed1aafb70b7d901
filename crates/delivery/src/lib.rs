//! Everything an application talks to: OFREP, snapshot and stream.
