//! A line a figure, and the folder for what has to be on a disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub fn heading(text: &str) {
    println!("\n{text}");
}

pub fn line(what: &str, figure: &str) {
    println!("  {what:<44} {figure:>42}");
}

/// `1,234,567/s`.
pub fn rate(count: u32, took: Duration) -> String {
    let per_second = format!("{:.0}", f64::from(count) / took.as_secs_f64());
    let groups: Vec<&str> =
        per_second.as_bytes().rchunks(3).rev().map(|digits| str::from_utf8(digits).unwrap_or_default()).collect();
    format!("{}/s", groups.join(","))
}

/// `p50 120 µs, p99 340 µs`.
pub fn percentiles(mut each: Vec<Duration>) -> String {
    each.sort_unstable();
    let at = |percent: usize| each.get((each.len() * percent / 100).min(each.len().saturating_sub(1)));
    let micros = |percent| at(percent).map_or(0, Duration::as_micros);
    format!("p50 {} µs, p99 {} µs", micros(50), micros(99))
}

/// What something took.
#[derive(Clone, Copy)]
pub struct Took {
    pub wall: Duration,
    /// Of all threads of this process, to the hundredth of a second; zero where the system does not tell.
    pub cpu: Duration,
}

impl Took {
    /// `1,234,567/s, 800 ns of CPU each`.
    pub fn each(self, count: u32) -> String {
        let nanos = self.cpu.as_nanos() / u128::from(count.max(1));
        format!("{}, {nanos} ns of CPU each", rate(count, self.wall))
    }
}

/// The least of some runs: what the machine can, less what else it did meanwhile.
pub fn least<E>(runs: u32, mut run: impl FnMut() -> Result<(), E>) -> Result<Took, E> {
    let mut least = Took { wall: Duration::MAX, cpu: Duration::MAX };
    for _ in 0..runs {
        let (begin, before) = (Instant::now(), cpu());
        run()?;
        least.wall = least.wall.min(begin.elapsed());
        least.cpu = least.cpu.min(cpu().saturating_sub(before));
    }
    Ok(least)
}

/// User and system time of this process, as Linux tells it: fields 14 and 15 of `/proc/self/stat`, in hundredths.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// A folder that goes away with its value.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> io::Result<Self> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
