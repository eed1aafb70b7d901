//! The doorbell: says that something changed, never what.
