//! Who listens on a port of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// `TCP_LISTEN` (linux/net/tcp_states.h), as `/proc/net/tcp` spells it.
const LISTENS: &str = "0A";

/// The program that listens there, and its process; none where the system does not
/// tell, or where that is somebody else's business.
pub fn of(addr: SocketAddr) -> Option<String> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let socket = format!("socket:[{}]", inode(&sockets, addr)?);
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    // Others than these, /proc/self for one, are no processes of their own.
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let folder = |pid: &u32| Path::new("/proc").join(pid.to_string());
    let mut pids = pids.filter(|pid| has_open(&folder(pid), &socket));
    let pid = pids.next()?;
    let program = std::fs::read_to_string(folder(&pid).join("comm")).ok()?;
    Some(format!("{} (process {pid})", program.trim()))
}

/// The listening socket's inode among the lines of `/proc/net/tcp` (proc(5)): the
/// second word is address and port in hexadecimal, the address as it lies in
/// memory; the fourth the state, the tenth the inode.
fn inode(sockets: &str, addr: SocketAddr) -> Option<&str> {
    let IpAddr::V4(ip) = addr.ip() else {
        return None;
    };
    let place = |ip: Ipv4Addr| {
        let in_memory = u32::from_ne_bytes(ip.octets());
        format!("{in_memory:08X}:{:04X}", addr.port())
    };
    let places = [place(ip), place(Ipv4Addr::UNSPECIFIED)];
    sockets.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = places
            .iter()
            .any(|place| words.get(1) == Some(&place.as_str()));
        (is_it && words.get(3) == Some(&LISTENS)).then(|| words.get(9).copied())?
    })
}

fn has_open(process: &Path, socket: &str) -> bool {
    let files = std::fs::read_dir(process.join("fd")).into_iter().flatten();
    files
        .flatten()
        .any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket))
}
