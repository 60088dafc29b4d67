//! What processes use, as `/proc` tells (proc(5)): processor time, and the peak of the resident set.

use std::{fs, process};

use crate::{
    failure::{Failure, Outcome, failed},
    reckoning::figures::Usage,
};

/// Ticks per second in `/proc/<pid>/stat`. The kernel shows 100 to user space on every architecture that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// Some processes that are watched together.
struct Watch {
    pids: Vec<u32>,
    cpu_before: f64,
}

/// Everything that takes part in a run.
pub(crate) struct Watches {
    server: Watch,
    store: Watch,
    generator: Watch,
    machine_before: f64,
}

/// What everything that takes part in a run used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) server: Usage,
    pub(crate) store: Usage,
    pub(crate) generator: Usage,
    /// Processor time that went to others on this machine, in seconds.
    pub(crate) elsewhere: f64,
}

impl Watches {
    /// Watches servers, stores and this process from now on.
    pub(crate) fn begin(servers: Vec<u32>, stores: Vec<u32>) -> Outcome<Self> {
        Ok(Self {
            server: Watch::begin(servers)?,
            store: Watch::begin(stores)?,
            generator: Watch::begin(vec![process::id()])?,
            machine_before: machine_cpu_seconds()?,
        })
    }

    /// What they used since.
    pub(crate) fn end(&self) -> Outcome<Used> {
        let (server, store, generator) = (self.server.end()?, self.store.end()?, self.generator.end()?);
        let ours = server.cpu_seconds + store.cpu_seconds + generator.cpu_seconds;
        let elsewhere = (machine_cpu_seconds()? - self.machine_before - ours).max(0.0);
        Ok(Used { server, store, generator, elsewhere })
    }
}

impl Watch {
    /// Watches from now on. The peak of memory counts from the processes' start, or from [`forget_peaks`].
    fn begin(pids: Vec<u32>) -> Outcome<Self> {
        let cpu_before = cpu_seconds(&pids)?;
        Ok(Self { pids, cpu_before })
    }

    /// What they used since.
    fn end(&self) -> Outcome<Usage> {
        let cpu_seconds = cpu_seconds(&self.pids)? - self.cpu_before;
        let peaks: Result<Vec<f64>, _> = self.pids.iter().map(|pid| peak_megabytes(*pid)).collect();
        Ok(Usage { cpu_seconds, peak_megabytes: peaks?.iter().sum() })
    }
}

/// The processor time that this whole machine has spent, its host's theft included, in seconds. What is more than our own
/// processes used was taken by others, and a run that met many of them says little.
fn machine_cpu_seconds() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/stat").map_err(failed("/proc/stat"))?;
    let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal; what guests use is in the first two.
    let ticks: Vec<f64> = line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq, steal] = ticks[..] else {
        return Err(Failure::Failed("/proc/stat has another form than proc(5) says".to_owned()));
    };
    Ok((user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND)
}

/// Has the peaks of these processes count from now.
pub(crate) fn forget_peaks(pids: &[u32]) -> Outcome<()> {
    for pid in pids {
        let path = format!("/proc/{pid}/clear_refs");
        fs::write(&path, "5").map_err(failed(&path))?;
    }
    Ok(())
}

fn cpu_seconds(pids: &[u32]) -> Outcome<f64> {
    let mut ticks = 0.0;
    for pid in pids {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(failed(&path))?;
        // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |number: usize| fields.get(number).and_then(|text| text.parse::<f64>().ok());
        let (Some(user), Some(system)) = (field(11), field(12)) else {
            return Err(Failure::Failed(format!("{path} has another form than proc(5) says")));
        };
        ticks += user + system;
    }
    Ok(ticks / TICKS_PER_SECOND)
}

fn peak_megabytes(pid: u32) -> Outcome<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(failed(&path))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1_024.0 / 1e6).ok_or_else(|| Failure::Failed(format!("{path} has no VmHWM")))
}
