//! The clusters and what is associated with them, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foundation::clock::Clock;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use kube_rbac::Version;

use super::Error;
use crate::aws::ids::Ids;
use crate::cluster::authn::{Trust, render};
use crate::cluster::{Cluster, TrustError};

/// Starts the clusters that EKS is asked for.
pub type Launch =
    Arc<dyn Fn(NewCluster) -> BoxFuture<'static, Result<Arc<dyn Cluster>, String>> + Send + Sync>;

/// Where a cluster is found: a name counts in its region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterRef {
    /// For example `eu-west-2`.
    pub region: String,
    /// As in CreateCluster.
    pub name: String,
}

impl ClusterRef {
    /// The cluster `name` of `region`.
    pub fn new(region: &str, name: &str) -> Self {
        Self {
            region: region.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// What a new cluster needs to know of itself.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// Its name, unique in the account and region.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The hexadecimal id in its endpoint and in its own OIDC issuer.
    pub id: String,
    /// ARN of the IAM identity that created it, and so administers it.
    pub creator: String,
    /// Its own service account issuer.
    pub oidc_issuer: String,
    /// The Kubernetes minor that was asked for, where we have it.
    pub version: Option<Version>,
}

/// The EKS of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Eks(Arc<Inner>);

struct Inner {
    clock: Clock,
    account: String,
    delay: Duration,
    launch: Launch,
    ids: Ids,
    pinned_ids: Mutex<Vec<String>>,
    clusters: Mutex<BTreeMap<ClusterRef, Record>>,
}

/// One cluster.
#[derive(Clone)]
pub struct Record {
    /// What it was created as.
    pub new: NewCluster,
    /// `arn:aws:eks:REGION:ACCOUNT:cluster/NAME`.
    pub arn: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The Kubernetes minor that was asked for.
    pub version: Option<String>,
    /// As given.
    pub role_arn: String,
    /// As given.
    pub subnet_ids: Vec<String>,
    /// As given.
    pub security_group_ids: Vec<String>,
    /// As given, and by TagResource.
    pub tags: BTreeMap<String, String>,
    /// Where it stands.
    pub status: ClusterStatus,
    /// The running cluster, once it runs.
    pub running: Option<Arc<dyn Cluster>>,
    /// The one identity provider configuration.
    pub provider: Option<Provider>,
    /// Every update, oldest first.
    pub updates: Vec<Update>,
}

/// `ClusterStatus` of the service model, as far as a mock gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterStatus {
    /// Being started.
    Creating,
    /// Runs.
    Active,
    /// Being stopped.
    Deleting,
    /// Could not be started, with the reason.
    Failed(String),
}

/// An associated OIDC identity provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// `identityProviderConfigName`.
    pub name: String,
    /// What it says.
    pub trust: Trust,
    /// Its ARN.
    pub arn: String,
    /// As given, and by TagResource.
    pub tags: BTreeMap<String, String>,
    /// Where it stands.
    pub status: ProviderStatus,
    /// Why its keys cannot be had, when they cannot.
    pub trouble: Option<String>,
}

/// `configStatus` of the service model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderStatus {
    /// Asked for; the cluster does not trust it yet.
    Creating,
    /// The cluster trusts it.
    Active,
    /// On the way out; the cluster still trusts it.
    Deleting,
}

/// An `Update` of the service model.
#[derive(Clone, Debug)]
pub struct Update {
    /// UUID.
    pub id: String,
    /// Where it stands.
    pub status: UpdateStatus,
    /// `AssociateIdentityProviderConfig` or `Disassociate…`.
    pub kind: UpdateKind,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The provider's name.
    pub provider: String,
}

/// `UpdateStatus` of the service model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateStatus {
    /// Not there yet.
    InProgress,
    /// Done.
    Successful,
    /// Undone, with the reason.
    Failed(TrustError),
}

/// What an update does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateKind {
    /// AssociateIdentityProviderConfig.
    Associate,
    /// DisassociateIdentityProviderConfig.
    Disassociate,
}

/// What CreateCluster says.
#[derive(Clone, Debug, Default)]
pub struct CreateCluster {
    /// 1–100 of `[0-9A-Za-z][A-Za-z0-9-_]*`.
    pub name: String,
    /// The role that EKS would take.
    pub role_arn: String,
    /// Subnets of the VPC.
    pub subnet_ids: Vec<String>,
    /// Security groups of the VPC.
    pub security_group_ids: Vec<String>,
    /// A Kubernetes minor.
    pub version: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl Eks {
    /// `delay` lies between a call to (dis)associate and the moment it takes
    /// effect; `pinned_ids` are used for the next clusters, first first.
    pub fn new(
        clock: Clock,
        account: &str,
        delay: Duration,
        launch: Launch,
        ids: Ids,
        mut pinned_ids: Vec<String>,
    ) -> Self {
        pinned_ids.reverse();
        Self(Arc::new(Inner {
            clock,
            account: account.to_owned(),
            delay,
            launch,
            ids,
            pinned_ids: Mutex::new(pinned_ids),
            clusters: Mutex::default(),
        }))
    }

    /// How long an association takes.
    pub fn association_delay(&self) -> Duration {
        self.0.delay
    }

    /// Registers a cluster and starts it in the background.
    ///
    /// # Errors
    /// The name is taken or malformed.
    pub fn create(
        &self,
        region: &str,
        creator: &str,
        request: CreateCluster,
    ) -> Result<Record, Error> {
        let record = self.register(region, creator, request)?;
        let eks = self.clone();
        let cluster = record.at();
        tokio::spawn(async move {
            // Who asked sees the failure as the cluster's status.
            let _ = eks.start(&cluster).await;
        });
        Ok(record)
    }

    /// Registers a cluster and returns when it runs.
    ///
    /// # Errors
    /// As [`Eks::create`], and [`Error::Server`] when it cannot be started.
    pub async fn create_and_wait(
        &self,
        region: &str,
        creator: &str,
        request: CreateCluster,
    ) -> Result<Arc<dyn Cluster>, Error> {
        let record = self.register(region, creator, request)?;
        self.start(&record.at()).await.map_err(Error::Server)
    }

    fn register(
        &self,
        region: &str,
        creator: &str,
        request: CreateCluster,
    ) -> Result<Record, Error> {
        check_cluster_name(&request.name)?;
        check_version(&request.name, request.version.as_deref())?;
        let mut clusters = self.clusters();
        let at = ClusterRef::new(region, &request.name);
        if clusters.contains_key(&at) {
            return Err(Error::InUse {
                message: format!("Cluster already exists with name: {}", request.name),
                cluster: Some(request.name),
            });
        }
        let id = self.next_id();
        let record = Record {
            arn: format!(
                "arn:aws:eks:{region}:{}:cluster/{}",
                self.0.account, request.name
            ),
            new: NewCluster {
                name: request.name,
                region: region.to_owned(),
                oidc_issuer: format!("https://oidc.eks.{region}.amazonaws.com/id/{id}"),
                id,
                creator: creator.to_owned(),
                version: request.version.as_deref().and_then(|v| v.parse().ok()),
            },
            created_at: self.0.clock.now(),
            version: request.version,
            role_arn: request.role_arn,
            subnet_ids: request.subnet_ids,
            security_group_ids: request.security_group_ids,
            tags: request.tags,
            status: ClusterStatus::Creating,
            running: None,
            provider: None,
            updates: Vec::new(),
        };
        clusters.insert(at, record.clone());
        Ok(record)
    }

    async fn start(&self, cluster: &ClusterRef) -> Result<Arc<dyn Cluster>, String> {
        let new = self.get(cluster).map_err(|error| error.to_string())?.new;
        match (self.0.launch)(new).await {
            Err(reason) => {
                if let Some(record) = self.clusters().get_mut(cluster) {
                    record.status = ClusterStatus::Failed(reason.clone());
                }
                Err(reason)
            }
            Ok(running) if self.adopt(cluster, &running) => Ok(running),
            Ok(orphan) => {
                orphan.stop().await;
                Err("the cluster was deleted while it started".to_owned())
            }
        }
    }

    /// Puts the running cluster where it belongs, unless it was deleted
    /// while it started.
    fn adopt(&self, cluster: &ClusterRef, running: &Arc<dyn Cluster>) -> bool {
        let mut clusters = self.clusters();
        let Some(record) = clusters.get_mut(cluster) else {
            return false;
        };
        record.status = ClusterStatus::Active;
        record.running = Some(Arc::clone(running));
        true
    }

    /// One cluster.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, cluster: &ClusterRef) -> Result<Record, Error> {
        self.clusters()
            .get(cluster)
            .cloned()
            .ok_or_else(|| no_cluster(&cluster.name))
    }

    /// All clusters, by region and name.
    pub fn list(&self) -> Vec<Record> {
        self.clusters().values().cloned().collect()
    }

    /// Stops a cluster and forgets it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn delete(&self, cluster: &ClusterRef) -> Result<Record, Error> {
        let mut record = self
            .clusters()
            .remove(cluster)
            .ok_or_else(|| no_cluster(&cluster.name))?;
        record.status = ClusterStatus::Deleting;
        if let Some(running) = record.running.take() {
            tokio::spawn(async move { running.stop().await });
        }
        Ok(record)
    }

    /// Asks for `trust`; it takes effect after the association delay.
    ///
    /// # Errors
    /// Unknown cluster, a second provider, or a configuration that EKS
    /// refuses.
    pub fn associate(
        &self,
        at: &ClusterRef,
        name: &str,
        trust: Trust,
        tags: BTreeMap<String, String>,
    ) -> Result<Update, Error> {
        let cluster = at.name.as_str();
        let mut clusters = self.clusters();
        let record = clusters.get_mut(at).ok_or_else(|| no_cluster(cluster))?;
        check_config_name(cluster, name)?;
        check_trust(cluster, &record.new.oidc_issuer, &trust)?;
        require_active(record)?;
        if let Some(provider) = &record.provider {
            return Err(Error::InUse {
                message: format!(
                    "Cluster {cluster} already has an identity provider configuration associated: {}",
                    provider.name
                ),
                cluster: Some(cluster.to_owned()),
            });
        }
        record.provider = Some(Provider {
            arn: format!(
                "arn:aws:eks:{}:{}:identityproviderconfig/{cluster}/oidc/{name}/{}",
                at.region,
                self.0.account,
                self.0.ids.uuid()
            ),
            name: name.to_owned(),
            trust,
            tags,
            status: ProviderStatus::Creating,
            trouble: None,
        });
        let update = self.new_update(record, UpdateKind::Associate, name);
        drop(clusters);
        self.after_delay(at, &update);
        Ok(update)
    }

    /// Asks for the end of the association; until the delay is over the
    /// cluster goes on trusting.
    ///
    /// # Errors
    /// Unknown cluster or configuration.
    pub fn disassociate(&self, at: &ClusterRef, name: &str) -> Result<Update, Error> {
        let cluster = at.name.as_str();
        let mut clusters = self.clusters();
        let record = clusters.get_mut(at).ok_or_else(|| no_cluster(cluster))?;
        let provider = record
            .provider
            .as_mut()
            .filter(|provider| provider.name == name)
            .ok_or_else(|| no_provider(cluster, name))?;
        if provider.status != ProviderStatus::Active {
            return Err(Error::InUse {
                message: format!("Identity provider config {name} is being updated"),
                cluster: Some(cluster.to_owned()),
            });
        }
        provider.status = ProviderStatus::Deleting;
        let update = self.new_update(record, UpdateKind::Disassociate, name);
        drop(clusters);
        self.after_delay(at, &update);
        Ok(update)
    }

    /// The configuration called `name`.
    ///
    /// # Errors
    /// Unknown cluster or configuration.
    pub fn provider(&self, at: &ClusterRef, name: &str) -> Result<Provider, Error> {
        self.get(at)?
            .provider
            .filter(|provider| provider.name == name)
            .ok_or_else(|| no_provider(&at.name, name))
    }

    /// The update `id` of a cluster.
    ///
    /// # Errors
    /// Unknown cluster or update.
    pub fn update(&self, at: &ClusterRef, id: &str) -> Result<Update, Error> {
        self.get(at)?
            .updates
            .into_iter()
            .find(|update| update.id == id)
            .ok_or_else(|| Error::NotFound {
                message: format!("No update found for ID: {id}"),
                cluster: Some(at.name.clone()),
            })
    }

    /// Adds tags to, or removes them from, the resource behind `arn`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn edit_tags<R>(
        &self,
        arn: &str,
        edit: impl FnOnce(&mut BTreeMap<String, String>) -> R,
    ) -> Result<R, Error> {
        let mut clusters = self.clusters();
        clusters
            .values_mut()
            .find_map(|record| {
                if record.arn == arn {
                    return Some(&mut record.tags);
                }
                record
                    .provider
                    .as_mut()
                    .filter(|provider| provider.arn == arn)
                    .map(|provider| &mut provider.tags)
            })
            .map(edit)
            .ok_or_else(|| Error::NotFound {
                message: format!("No resource found for ARN: {arn}"),
                cluster: None,
            })
    }

    /// Stops every cluster.
    pub async fn stop(&self) {
        let running: Vec<_> = std::mem::take(&mut *self.clusters())
            .into_values()
            .filter_map(|record| record.running)
            .collect();
        futures_util::future::join_all(running.iter().map(|cluster| cluster.stop())).await;
    }

    fn new_update(&self, record: &mut Record, kind: UpdateKind, provider: &str) -> Update {
        let update = Update {
            id: self.0.ids.uuid(),
            status: UpdateStatus::InProgress,
            kind,
            created_at: self.0.clock.now(),
            provider: provider.to_owned(),
        };
        record.updates.push(update.clone());
        update
    }

    fn after_delay(&self, at: &ClusterRef, update: &Update) {
        let (eks, at, update) = (self.clone(), at.clone(), update.clone());
        // The deadline is fixed now, not when the task first runs: a test
        // that moves the clock right after the call must not lose the race.
        let deadline = self
            .0
            .clock
            .now()
            .checked_add(self.0.delay)
            .unwrap_or(Timestamp::MAX);
        tokio::spawn(async move {
            eks.0.clock.sleep_until(deadline).await;
            eks.take_effect(&at, &update).await;
        });
    }

    async fn take_effect(&self, at: &ClusterRef, update: &Update) {
        let Ok(record) = self.get(at) else {
            return;
        };
        // A cluster of the same name may have taken the place of a deleted one.
        let ours = record.updates.iter().any(|known| known.id == update.id);
        let Some(running) = record.running.filter(|_| ours) else {
            return;
        };
        let trust = match update.kind {
            UpdateKind::Associate => record.provider.map(|provider| provider.trust),
            UpdateKind::Disassociate => None,
        };
        let outcome = running.trust(trust.as_ref()).await;
        let mut clusters = self.clusters();
        let Some(record) = clusters.get_mut(at) else {
            return;
        };
        // As on AWS, an issuer that does not answer makes tokens fail, not the
        // association.
        let (trouble, status) = match outcome {
            Ok(()) => (None, UpdateStatus::Successful),
            Err(TrustError::IssuerUnreachable(why)) => {
                let trouble = TrustError::IssuerUnreachable(why).to_string();
                (Some(trouble), UpdateStatus::Successful)
            }
            Err(error) => (None, UpdateStatus::Failed(error)),
        };
        // What failed leaves the cluster trusting whom it trusted before.
        let trusts = (update.kind == UpdateKind::Associate) == (status == UpdateStatus::Successful);
        record.provider = record.provider.take().filter(|_| trusts);
        if let Some(provider) = &mut record.provider {
            provider.status = ProviderStatus::Active;
            provider.trouble = trouble;
        }
        if let Some(update) = record.updates.iter_mut().find(|u| u.id == update.id) {
            update.status = status;
        }
    }

    fn next_id(&self) -> String {
        self.0
            .pinned_ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_else(|| self.0.ids.cluster())
    }

    fn clusters(&self) -> MutexGuard<'_, BTreeMap<ClusterRef, Record>> {
        self.0
            .clusters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Where it is found.
    pub fn at(&self) -> ClusterRef {
        ClusterRef::new(&self.new.region, &self.new.name)
    }
}

fn require_active(record: &Record) -> Result<(), Error> {
    if record.status == ClusterStatus::Active {
        return Ok(());
    }
    Err(Error::InvalidRequest {
        message: format!("Cluster {} is not in ACTIVE state", record.new.name),
        cluster: Some(record.new.name.clone()),
    })
}

/// Whether `name` can be a cluster's.
///
/// # Errors
/// [`Error::InvalidParameter`] with the rule.
pub fn check_cluster_name(name: &str) -> Result<(), Error> {
    let valid = (1..=100).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if valid {
        return Ok(());
    }
    Err(Error::InvalidParameter {
        message: format!(
            "The cluster name {name:?} is invalid: it must match ^[0-9A-Za-z][A-Za-z0-9\\-_]* and have 1 to 100 characters"
        ),
        cluster: None,
    })
}

fn check_config_name(cluster: &str, name: &str) -> Result<(), Error> {
    if (1..=100).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::InvalidParameter {
        message: "identityProviderConfigName must have 1 to 100 characters".to_owned(),
        cluster: Some(cluster.to_owned()),
    })
}

/// A Kubernetes version as CreateCluster takes it: a minor.
fn check_version(cluster: &str, version: Option<&str>) -> Result<(), Error> {
    let is_minor = |version: &str| {
        version.strip_prefix("1.").is_some_and(|minor| {
            (1..=2).contains(&minor.len()) && minor.bytes().all(|b| b.is_ascii_digit())
        })
    };
    match version {
        Some(version) if !is_minor(version) => Err(Error::InvalidParameter {
            message: format!("unsupported Kubernetes version {version}"),
            cluster: Some(cluster.to_owned()),
        }),
        _ => Ok(()),
    }
}

/// What EKS refuses at the door, and then what Kubernetes would.
fn check_trust(cluster: &str, own_issuer: &str, trust: &Trust) -> Result<(), Error> {
    let refuse = |message: String| {
        Err(Error::InvalidParameter {
            message,
            cluster: Some(cluster.to_owned()),
        })
    };
    if trust.issuer_url == own_issuer {
        return refuse(
            "Incorrect Identity Provider URL configuration. The Identity Provider URL cannot be same as OpenID Connect (OIDC) issuer URL"
                .to_owned(),
        );
    }
    for (what, prefix) in [
        ("usernamePrefix", &trust.username_prefix),
        ("groupsPrefix", &trust.groups_prefix),
    ] {
        if prefix
            .as_ref()
            .is_some_and(|prefix| prefix.contains("system:"))
        {
            return refuse(format!("The {what} must not contain \"system:\""));
        }
    }
    for (key, value) in &trust.required_claims {
        if key.is_empty() || key.len() > 63 || value.is_empty() || value.len() > 253 {
            return refuse(
                "requiredClaims keys have 1 to 63 characters, their values 1 to 253".to_owned(),
            );
        }
    }
    if trust.client_id.is_empty() {
        return refuse("clientId must not be empty".to_owned());
    }
    render(trust).map(drop).or_else(refuse)
}

fn no_cluster(name: &str) -> Error {
    Error::NotFound {
        message: format!("No cluster found for name: {name}."),
        cluster: Some(name.to_owned()),
    }
}

fn no_provider(cluster: &str, name: &str) -> Error {
    Error::NotFound {
        message: format!("No identity provider config found for name: {name}."),
        cluster: Some(cluster.to_owned()),
    }
}
