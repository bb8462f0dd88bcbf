//! User pools, their domains and tags.

use serde_json::Value;

use super::super::wire::pools as wire;
use super::super::wire::values;
use super::{Call, Outcome, done, read, reply};
use crate::domain::Pool;
use crate::domain::pool::Tier;
use crate::flow::admin::{CreatePool, NewAttribute, UpdatePool};

pub(super) fn create(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::CreateRequest = read(input)?;
    let mut settings: wire::SettingsRequest = read(input)?;
    let verbatim: wire::VerbatimSettings = read(input)?;
    let command = CreatePool {
        name: request.pool_name,
        username_attributes: values(request.username_attributes),
        alias_attributes: values(request.alias_attributes),
        case_sensitivity: request
            .username_configuration
            .map(|configuration| configuration.case_sensitive),
        schema: request.schema.into_iter().map(attribute).collect(),
        tags: settings.user_pool_tags.take().unwrap_or_default(),
        settings: settings.into_settings(Tier::default(), verbatim.into_verbatim()),
    };
    let pool = call.idp.create_pool(call.region(), command)?;
    shown(call, &pool)
}

pub(super) fn describe(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::PoolRequest = read(input)?;
    let pool = call.pool(&request.user_pool_id)?;
    let pool = call.idp.pool(&pool)?;
    shown(call, &pool)
}

fn shown(call: &Call<'_>, pool: &Pool) -> Outcome {
    reply(&wire::PoolAnswer::of(pool, call.idp.user_count(&pool.id)))
}

pub(super) fn list(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::ListRequest<'_> = read(input)?;
    let of = ["ListUserPools", call.region()];
    let list = call.list(&of);
    let page = list.page(Some(request.max_results), request.next_token)?;
    let pools = call.idp.pools(call.region(), page)?;
    reply(&wire::ListAnswer {
        user_pools: pools
            .items
            .iter()
            .map(|pool| wire::UserPoolDescription::of(pool))
            .collect(),
        next_token: list.next(&pools),
    })
}

pub(super) fn update(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::UpdateRequest = read(input)?;
    let mut settings: wire::SettingsRequest = read(input)?;
    let verbatim: wire::VerbatimSettings = read(input)?;
    let pool = call.pool(&request.user_pool_id)?;
    let command = UpdatePool {
        name: request.pool_name,
        tier: settings.user_pool_tier.map(|word| word.0),
        tags: settings.user_pool_tags.take().unwrap_or_default(),
        settings: settings.into_settings(Tier::default(), verbatim.into_verbatim()),
    };
    done(call.idp.update_pool(&pool, command))
}

pub(super) fn delete(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::PoolRequest = read(input)?;
    done(call.idp.delete_pool(&call.pool(&request.user_pool_id)?))
}

pub(super) fn create_domain(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::CreateDomainRequest = read(input)?;
    let pool = call.pool(&request.user_pool_id)?;
    let certificate = request
        .custom_domain_config
        .map(|configuration| configuration.certificate_arn);
    let custom = certificate.is_some();
    // The model's pattern is a prefix's; the table lets custom domains pass.
    if !custom && request.domain.contains('.') {
        return Err(crate::domain::Error::invalid(format!(
            "1 validation error detected: Value '{}' at 'domain' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: \
             ^[a-z0-9](?:[a-z0-9\\-]{{0,61}}[a-z0-9])?$",
            request.domain
        ))
        .into());
    }
    call.idp.create_domain(
        &pool,
        &request.domain,
        certificate,
        request.managed_login_version,
    )?;
    reply(&wire::CreateDomainAnswer {
        managed_login_version: request.managed_login_version,
        cloud_front_domain: custom.then(|| format!("{}.cloudfront.invalid", request.domain)),
    })
}

pub(super) fn describe_domain(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::DescribeDomainRequest = read(input)?;
    match call.idp.domain(&request.domain) {
        Some((pool, domain)) => reply(&wire::DescribeDomainAnswer::of(&pool, &domain)),
        None => reply(&wire::DescribeDomainAnswer::unknown()),
    }
}

pub(super) fn delete_domain(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::DeleteDomainRequest = read(input)?;
    let pool = call.pool(&request.user_pool_id)?;
    done(call.idp.delete_domain(&pool, &request.domain))
}

pub(super) fn tag(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::TagRequest = read(input)?;
    done(call.idp.tag(&request.resource_arn, request.tags))
}

pub(super) fn untag(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::TagRequest = read(input)?;
    done(call.idp.untag(&request.resource_arn, &request.tag_keys))
}

pub(super) fn tags(call: &Call<'_>, input: &Value) -> Outcome {
    let request: wire::TagRequest = read(input)?;
    let tags = call.idp.tags(&request.resource_arn)?;
    reply(&wire::TagsAnswer { tags: &tags })
}

fn attribute(mut request: wire::SchemaAttributeRequest) -> NewAttribute {
    let (min, max) = request.bounds();
    NewAttribute {
        name: request.name.unwrap_or_default(),
        data_type: request.attribute_data_type.map(|word| word.0),
        developer_only: request.developer_only_attribute.unwrap_or(false),
        mutable: request.mutable,
        required: request.required,
        min,
        max,
    }
}
