//! Patch strategies out of the OpenAPI documents. They are large and nearly
//! all of it is prose; only the patch extensions are read, and nothing else is
//! allocated.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Patch;

/// By message, the fields that are not patched in the simplest way.
pub struct PatchSchemas(pub Vec<(String, Vec<(String, Patch)>)>);

impl<'de> Deserialize<'de> for PatchSchemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = PatchSchemas;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("schemas by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PatchSchemas, A::Error> {
                let mut schemas = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let schema: PatchSchema = map.next_value()?;
                    if !schema.properties.0.is_empty() {
                        schemas.push((name, schema.properties.0));
                    }
                }
                Ok(PatchSchemas(schemas))
            }
        }
        deserializer.deserialize_map(V)
    }
}

#[derive(Deserialize)]
struct PatchSchema {
    #[serde(default)]
    properties: PatchProperties,
}

#[derive(Default)]
struct PatchProperties(Vec<(String, Patch)>);

#[derive(Deserialize)]
struct PatchProperty {
    #[serde(rename = "x-kubernetes-patch-strategy")]
    strategy: Option<String>,
    #[serde(rename = "x-kubernetes-patch-merge-key")]
    merge_key: Option<String>,
}

impl<'de> Deserialize<'de> for PatchProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = PatchProperties;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("properties by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PatchProperties, A::Error> {
                let mut properties = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let property: PatchProperty = map.next_value()?;
                    let Some(strategy) = property.strategy else {
                        continue;
                    };
                    let patch = Patch {
                        merge: strategy.split(',').any(|s| s == "merge"),
                        retain_keys: strategy.split(',').any(|s| s == "retainKeys"),
                        merge_key: property.merge_key.map(Into::into),
                    };
                    properties.push((name, patch));
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(PatchProperties(properties))
            }
        }
        deserializer.deserialize_map(V)
    }
}
