//! What listens to the runner's events: people, scripts and CI.

pub mod json;
pub mod junit;
pub mod terminal;
