//! Scenario files: what people write ([`mod@file`]), how it is read ([`load`])
//! and what is done for it ([`plan`]).

pub mod file;
pub mod load;
pub mod plan;
pub mod question;
