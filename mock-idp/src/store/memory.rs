//! The store in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;

use super::{Change, Listing, Refused, Store};
use crate::domain::grant::{BrowserSession, ChallengeSession, CodeGrant, RefreshGrant, SecretKey};
use crate::domain::message::Message;
use crate::domain::{Client, ClientId, Error, Group, Pool, PoolId, User, UserId};
use crate::keybank::KeyRing;

/// More messages than this and the oldest go.
const OUTBOX: usize = 10_000;

/// Everything behind one lock, which is held for microseconds.
#[derive(Default)]
pub struct Memory(RwLock<Tables>);

#[derive(Default)]
struct Tables {
    pools: Ordered<PoolId, PoolEntry>,
    domains: HashMap<String, PoolId>,
    clients: Ordered<ClientId, Arc<Client>>,
    codes: Expiring<CodeGrant>,
    challenges: Expiring<ChallengeSession>,
    browsers: Expiring<BrowserSession>,
    refreshes: Expiring<RefreshGrant>,
    /// Revoked `origin_jti`s, and when their refresh tokens would expire.
    revoked: HashMap<String, Timestamp>,
    outbox: VecDeque<Message>,
}

struct PoolEntry {
    pool: Arc<Pool>,
    keys: Arc<KeyRing>,
    users: Ordered<UserId, UserEntry>,
    names: HashMap<String, UserId>,
    groups: Ordered<String, GroupEntry>,
}

struct UserEntry {
    user: Arc<User>,
    groups: Vec<String>,
}

struct GroupEntry {
    group: Arc<Group>,
    members: Ordered<UserId, ()>,
}

/// A map that remembers the order of insertion.
struct Ordered<K, V> {
    entries: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
    next: u64,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<K: Hash + Eq + Clone, V> Ordered<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key).map(|(_, value)| value)
    }

    fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Whether the key was new.
    fn insert(&mut self, key: K, value: V) -> bool {
        if self.entries.contains_key(&key) {
            return false;
        }
        self.order.insert(self.next, key.clone());
        self.entries.insert(key, (self.next, value));
        self.next += 1;
        true
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let (at, value) = self.entries.remove(key)?;
        self.order.remove(&at);
        Some(value)
    }

    fn place<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u64>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key).map(|(place, _)| *place)
    }

    /// Places and keys, in order.
    fn keys(&self) -> impl Iterator<Item = (u64, &K)> {
        self.order.iter().map(|(place, key)| (*place, key))
    }

    /// Places and values, in order.
    fn values(&self) -> impl Iterator<Item = (u64, &V)> {
        self.keys()
            .filter_map(|(place, key)| Some((place, self.get(key)?)))
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}

/// A table whose records expire. It is swept whenever it has doubled, so that
/// putting takes constant time on average.
struct Expiring<V> {
    entries: HashMap<SecretKey, V>,
    sweep_at: usize,
}

impl<V> Default for Expiring<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            sweep_at: 1024,
        }
    }
}

trait Expires {
    fn expires(&self) -> Timestamp;
}

impl<V: Expires> Expiring<V> {
    /// Whether it was swept on the way.
    fn put(&mut self, key: SecretKey, value: V, now: Timestamp) -> bool {
        let sweep = self.entries.len() >= self.sweep_at;
        if sweep {
            self.entries.retain(|_, value| value.expires() > now);
            self.sweep_at = (2 * self.entries.len()).max(1024);
        }
        self.entries.insert(key, value);
        sweep
    }
}

macro_rules! expires {
    ($($record:ty),*) => {
        $(impl Expires for $record {
            fn expires(&self) -> Timestamp {
                self.expires
            }
        })*
    };
}

expires!(CodeGrant, ChallengeSession, BrowserSession, RefreshGrant);

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // A panic while the lock was held cannot have left half a change: every
    // change is made on a copy and put in place at the end.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn entry(&mut self, pool: &PoolId) -> Result<&mut PoolEntry, Refused> {
        self.pools.get_mut(pool).ok_or(Refused::Missing)
    }

    fn revoke(&mut self, whom: impl Fn(&RefreshGrant) -> bool) {
        for refresh in self.refreshes.entries.values_mut().filter(|r| whom(r)) {
            refresh.revoked = true;
            self.revoked
                .insert(refresh.grant.origin_jti.clone(), refresh.expires);
        }
    }
}

fn changed<T: Clone>(old: &T, change: Change<'_, T>) -> Result<T, Refused> {
    let mut new = old.clone();
    change(&mut new)?;
    Ok(new)
}

impl Store for Memory {
    fn insert_pool(&self, pool: Pool, keys: Arc<KeyRing>) -> Result<Arc<Pool>, Refused> {
        let pool = Arc::new(pool);
        let entry = PoolEntry {
            pool: Arc::clone(&pool),
            keys,
            users: Ordered::default(),
            names: HashMap::new(),
            groups: Ordered::default(),
        };
        if self.write().pools.insert(pool.id.clone(), entry) {
            Ok(pool)
        } else {
            Err(Refused::Taken)
        }
    }

    fn pool(&self, id: &PoolId) -> Option<Arc<Pool>> {
        self.read().pools.get(id).map(|entry| entry.pool.clone())
    }

    fn pool_by_domain(&self, domain: &str) -> Option<Arc<Pool>> {
        let tables = self.read();
        let id = tables.domains.get(domain)?;
        tables.pools.get(id).map(|entry| entry.pool.clone())
    }

    fn pools(&self) -> Listing<Pool> {
        let tables = self.read();
        let pools = tables.pools.values();
        pools.map(|(at, entry)| (at, entry.pool.clone())).collect()
    }

    fn key_ring(&self, id: &PoolId) -> Option<Arc<KeyRing>> {
        self.read().pools.get(id).map(|entry| entry.keys.clone())
    }

    fn update_pool(&self, id: &PoolId, change: Change<'_, Pool>) -> Result<Arc<Pool>, Refused> {
        let tables = &mut *self.write();
        let entry = tables.pools.get_mut(id).ok_or(Refused::Missing)?;
        let new = Arc::new(changed(&*entry.pool, change)?);
        let name = |pool: &Pool| pool.domain.as_ref().map(|domain| domain.name.clone());
        if let Some(domain) = name(&new)
            && tables.domains.get(&domain).is_some_and(|owner| owner != id)
        {
            return Err(Refused::Taken);
        }
        if let Some(old) = name(&entry.pool) {
            tables.domains.remove(&old);
        }
        if let Some(domain) = name(&new) {
            tables.domains.insert(domain, id.clone());
        }
        entry.pool = Arc::clone(&new);
        Ok(new)
    }

    fn remove_pool(
        &self,
        id: &PoolId,
        rule: &dyn Fn(&Pool) -> Result<(), Error>,
    ) -> Result<(), Refused> {
        let tables = &mut *self.write();
        rule(&tables.entry(id)?.pool)?;
        tables.pools.remove(id);
        tables.domains.retain(|_, owner| owner != id);
        let clients = tables.clients.values();
        let clients: Vec<_> = clients.map(|(_, client)| client.clone()).collect();
        for client in clients.iter().filter(|client| client.pool == *id) {
            tables.clients.remove(&client.id);
        }
        tables.codes.entries.retain(|_, c| c.grant.pool != *id);
        tables.challenges.entries.retain(|_, s| s.pool != *id);
        tables.browsers.entries.retain(|_, s| s.pool != *id);
        tables.refreshes.entries.retain(|_, r| r.grant.pool != *id);
        Ok(())
    }

    fn insert_client(&self, client: Client) -> Result<Arc<Client>, Refused> {
        let tables = &mut *self.write();
        tables.entry(&client.pool)?;
        let client = Arc::new(client);
        if tables.clients.insert(client.id.clone(), client.clone()) {
            Ok(client)
        } else {
            Err(Refused::Taken)
        }
    }

    fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.read().clients.get(id).cloned()
    }

    fn clients(&self, pool: &PoolId) -> Listing<Client> {
        let tables = self.read();
        let clients = tables.clients.values();
        let of_pool = clients.filter(|(_, client)| client.pool == *pool);
        of_pool.map(|(at, client)| (at, client.clone())).collect()
    }

    fn update_client(
        &self,
        id: &ClientId,
        change: Change<'_, Client>,
    ) -> Result<Arc<Client>, Refused> {
        let tables = &mut *self.write();
        let client = tables.clients.get_mut(id).ok_or(Refused::Missing)?;
        *client = Arc::new(changed(&**client, change)?);
        Ok(Arc::clone(client))
    }

    fn remove_client(&self, id: &ClientId) -> Option<Arc<Client>> {
        let tables = &mut *self.write();
        tables.codes.entries.retain(|_, c| c.grant.client != *id);
        tables.challenges.entries.retain(|_, s| s.client != *id);
        let refreshes = &mut tables.refreshes.entries;
        refreshes.retain(|_, r| r.grant.client != *id);
        tables.clients.remove(id)
    }

    fn insert_user(&self, user: User) -> Result<Arc<User>, Refused> {
        let tables = &mut *self.write();
        let entry = tables.entry(&user.pool)?;
        let names = user.names(&entry.pool);
        if names.iter().any(|name| entry.names.contains_key(name)) {
            return Err(Refused::Taken);
        }
        let user = Arc::new(user);
        for name in names {
            entry.names.insert(name, user.id.clone());
        }
        let record = UserEntry {
            user: Arc::clone(&user),
            groups: Vec::new(),
        };
        entry.users.insert(user.id.clone(), record);
        Ok(user)
    }

    fn user(&self, pool: &PoolId, id: &UserId) -> Option<Arc<User>> {
        let tables = self.read();
        let entry = tables.pools.get(pool)?.users.get(id)?;
        Some(Arc::clone(&entry.user))
    }

    fn find_user(&self, pool: &PoolId, name: &str) -> Option<Arc<User>> {
        let tables = self.read();
        let entry = tables.pools.get(pool)?;
        let id = entry.names.get(&entry.pool.fold(name))?;
        Some(Arc::clone(&entry.users.get(id)?.user))
    }

    fn users(&self, pool: &PoolId) -> Listing<User> {
        let tables = self.read();
        tables.pools.get(pool).map_or_else(Vec::new, |entry| {
            let users = entry.users.values();
            users
                .map(|(at, record)| (at, record.user.clone()))
                .collect()
        })
    }

    fn user_count(&self, pool: &PoolId) -> usize {
        let tables = self.read();
        tables.pools.get(pool).map_or(0, |entry| entry.users.len())
    }

    fn update_user(
        &self,
        pool: &PoolId,
        id: &UserId,
        change: Change<'_, User>,
    ) -> Result<Arc<User>, Refused> {
        let tables = &mut *self.write();
        let entry = tables.entry(pool)?;
        let record = entry.users.get_mut(id).ok_or(Refused::Missing)?;
        let new = Arc::new(changed(&*record.user, change)?);
        let names = new.names(&entry.pool);
        let foreign = |name: &String| entry.names.get(name).is_some_and(|owner| owner != id);
        if names.iter().any(foreign) {
            return Err(Refused::Taken);
        }
        for old in record.user.names(&entry.pool) {
            entry.names.remove(&old);
        }
        for name in names {
            entry.names.insert(name, id.clone());
        }
        record.user = Arc::clone(&new);
        Ok(new)
    }

    fn remove_user(&self, pool: &PoolId, id: &UserId) -> Option<Arc<User>> {
        let tables = &mut *self.write();
        let entry = tables.pools.get_mut(pool)?;
        let record = entry.users.remove(id)?;
        for name in record.user.names(&entry.pool) {
            entry.names.remove(&name);
        }
        for group in &record.groups {
            if let Some(group) = entry.groups.get_mut(group) {
                group.members.remove(id);
            }
        }
        let theirs = |grant: &crate::domain::grant::Grant| grant.pool == *pool && grant.user == *id;
        tables.revoke(|refresh| theirs(&refresh.grant));
        tables.codes.entries.retain(|_, c| !theirs(&c.grant));
        let challenges = &mut tables.challenges.entries;
        challenges.retain(|_, s| s.pool != *pool || s.user != *id);
        let browsers = &mut tables.browsers.entries;
        browsers.retain(|_, s| s.pool != *pool || s.user != *id);
        Some(record.user)
    }

    fn insert_group(&self, group: Group) -> Result<Arc<Group>, Refused> {
        let tables = &mut *self.write();
        let entry = tables.entry(&group.pool)?;
        let group = Arc::new(group);
        let record = GroupEntry {
            group: Arc::clone(&group),
            members: Ordered::default(),
        };
        if entry.groups.insert(group.name.clone(), record) {
            Ok(group)
        } else {
            Err(Refused::Taken)
        }
    }

    fn group(&self, pool: &PoolId, name: &str) -> Option<Arc<Group>> {
        let tables = self.read();
        let entry = tables.pools.get(pool)?.groups.get(name)?;
        Some(Arc::clone(&entry.group))
    }

    fn groups(&self, pool: &PoolId) -> Listing<Group> {
        let tables = self.read();
        tables.pools.get(pool).map_or_else(Vec::new, |entry| {
            let groups = entry.groups.values();
            groups.map(|(at, g)| (at, g.group.clone())).collect()
        })
    }

    fn update_group(
        &self,
        pool: &PoolId,
        name: &str,
        change: Change<'_, Group>,
    ) -> Result<Arc<Group>, Refused> {
        let tables = &mut *self.write();
        let groups = &mut tables.entry(pool)?.groups;
        let record = groups.get_mut(name).ok_or(Refused::Missing)?;
        record.group = Arc::new(changed(&*record.group, change)?);
        Ok(Arc::clone(&record.group))
    }

    fn remove_group(&self, pool: &PoolId, name: &str) -> Option<Arc<Group>> {
        let tables = &mut *self.write();
        let entry = tables.pools.get_mut(pool)?;
        let record = entry.groups.remove(name)?;
        for (_, member) in record.members.keys() {
            if let Some(user) = entry.users.get_mut(member) {
                user.groups.retain(|group| group != name);
            }
        }
        Some(record.group)
    }

    fn add_member(&self, pool: &PoolId, group: &str, user: &UserId) -> Result<(), Refused> {
        let tables = &mut *self.write();
        let entry = tables.entry(pool)?;
        let record = entry.groups.get_mut(group).ok_or(Refused::Missing)?;
        let member = entry.users.get_mut(user).ok_or(Refused::Missing)?;
        if record.members.insert(user.clone(), ()) {
            member.groups.push(group.to_owned());
        }
        Ok(())
    }

    fn remove_member(&self, pool: &PoolId, group: &str, user: &UserId) -> Result<(), Refused> {
        let tables = &mut *self.write();
        let entry = tables.entry(pool)?;
        let record = entry.groups.get_mut(group).ok_or(Refused::Missing)?;
        let member = entry.users.get_mut(user).ok_or(Refused::Missing)?;
        record.members.remove(user);
        member.groups.retain(|name| name != group);
        Ok(())
    }

    fn members(&self, pool: &PoolId, group: &str) -> Listing<User> {
        let tables = self.read();
        let Some(entry) = tables.pools.get(pool) else {
            return Vec::new();
        };
        let Some(record) = entry.groups.get(group) else {
            return Vec::new();
        };
        let members = record.members.keys();
        members
            .filter_map(|(at, id)| Some((at, entry.users.get(id)?.user.clone())))
            .collect()
    }

    fn groups_of(&self, pool: &PoolId, user: &UserId) -> Listing<Group> {
        let tables = self.read();
        let Some(entry) = tables.pools.get(pool) else {
            return Vec::new();
        };
        let Some(member) = entry.users.get(user) else {
            return Vec::new();
        };
        let group = |name: &String| {
            let place = entry.groups.place(name)?;
            Some((place, entry.groups.get(name)?.group.clone()))
        };
        let mut groups: Listing<Group> = member.groups.iter().filter_map(group).collect();
        groups.sort_unstable_by_key(|(place, _)| *place);
        groups
    }

    fn put_code(&self, key: SecretKey, code: CodeGrant, now: Timestamp) {
        self.write().codes.put(key, code, now);
    }

    fn take_code(&self, key: &SecretKey, client: &ClientId) -> Option<CodeGrant> {
        let codes = &mut self.write().codes.entries;
        if codes.get(key)?.grant.client == *client {
            codes.remove(key)
        } else {
            None
        }
    }

    fn put_challenge(&self, key: SecretKey, session: ChallengeSession, now: Timestamp) {
        self.write().challenges.put(key, session, now);
    }

    fn challenge(&self, key: &SecretKey) -> Option<ChallengeSession> {
        self.read().challenges.entries.get(key).cloned()
    }

    fn take_challenge(&self, key: &SecretKey) -> Option<ChallengeSession> {
        self.write().challenges.entries.remove(key)
    }

    fn put_browser(&self, key: SecretKey, session: BrowserSession, now: Timestamp) {
        self.write().browsers.put(key, session, now);
    }

    fn browser(&self, key: &SecretKey) -> Option<BrowserSession> {
        self.read().browsers.entries.get(key).cloned()
    }

    fn take_browser(&self, key: &SecretKey) -> Option<BrowserSession> {
        self.write().browsers.entries.remove(key)
    }

    fn put_refresh(&self, key: SecretKey, refresh: RefreshGrant, now: Timestamp) {
        let tables = &mut *self.write();
        if tables.refreshes.put(key, refresh, now) {
            // No access token outlives the refresh token it came with.
            tables.revoked.retain(|_, expires| *expires > now);
        }
    }

    fn refresh(&self, key: &SecretKey) -> Option<RefreshGrant> {
        self.read().refreshes.entries.get(key).cloned()
    }

    fn replace_refresh(&self, key: &SecretKey, now: Timestamp) -> bool {
        let tables = &mut *self.write();
        match tables.refreshes.entries.get_mut(key) {
            Some(refresh) if refresh.replaced.is_none() => {
                refresh.replaced = Some(now);
                true
            }
            _ => false,
        }
    }

    fn revoke_refresh(&self, key: &SecretKey) -> bool {
        let tables = &mut *self.write();
        let Some(refresh) = tables.refreshes.entries.get(key) else {
            return false;
        };
        let origin = refresh.grant.origin_jti.clone();
        tables.revoke(|refresh| refresh.grant.origin_jti == origin);
        true
    }

    fn revoke_user(&self, pool: &PoolId, user: &UserId) {
        self.write()
            .revoke(|refresh| refresh.grant.pool == *pool && refresh.grant.user == *user);
    }

    fn is_revoked(&self, origin_jti: &str) -> bool {
        self.read().revoked.contains_key(origin_jti)
    }

    fn push_message(&self, message: Message) {
        let outbox = &mut self.write().outbox;
        if outbox.len() == OUTBOX {
            outbox.pop_front();
        }
        outbox.push_back(message);
    }

    fn messages(&self) -> Vec<Message> {
        self.read().outbox.iter().cloned().collect()
    }

    fn clear_messages(&self) {
        self.write().outbox.clear();
    }

    fn reset(&self) {
        *self.write() = Tables::default();
    }
}
