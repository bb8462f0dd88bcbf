//! Seed files: pools and people described in one small file.
