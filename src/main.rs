//! The `ticketboss` program: reads its settings, builds the application, and runs it until it is told to stop.

use std::{
    io::{self, Write as _},
    process::{self, ExitCode},
};

use ticketboss::{
    application::Application,
    config::{self, Call, Config},
    logging,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// A reservation is made of some dozens of small allocations, most of them freed on another thread than the one they came
/// from; the system's allocator spends more on that than the rest of the server does on the reservation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match config::read() {
        Ok(Call::Serve(config)) => {
            logging::start(&config.logging);
            logging::log_panics();
            let exit_code = serve(*config);
            logging::flush();
            exit_code
        }
        Ok(Call::Tell(text)) => {
            // A reader that has seen enough, like `head`, is no failure.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(io::stderr(), "ticketboss: {why}");
            ExitCode::from(2)
        }
    }
}

/// Runs the server on a runtime that outlives it: the store must be let go before its runtime ends.
fn serve(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return failed(&format!("cannot start: {why}"), 1),
    };
    runtime.block_on(async {
        #[cfg(target_os = "linux")]
        survive_full_files();
        let stop = match stop_signal() {
            Ok(stop) => stop,
            Err(why) => return failed(&format!("cannot listen to signals: {why}"), 1),
        };
        let application = match Application::build(config).await {
            Ok(application) => application,
            Err(why) => return failed(&why.to_string(), why.exit_code()),
        };
        match application.run_until(async { drop(stop.await) }).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => failed(&format!("the server failed: {why}"), 1),
        }
    })
}

fn failed(why: &str, exit_code: u8) -> ExitCode {
    log::error!("{why}");
    ExitCode::from(exit_code)
}

/// A file that would grow past what the system allows (`ulimit -f`) ends a process by a signal, unless that is handled: then
/// the write fails, which the store deals with as with a full disk.
#[cfg(target_os = "linux")]
fn survive_full_files() {
    // The handler stays after the listener is dropped.
    if let Err(why) = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())) {
        log::debug!("a file that grows past the system's limit will end this process: {why}");
    }
}

/// Resolves at the first SIGTERM or SIGINT. The second ends the process there and then: whoever sends it has waited long
/// enough, and a crash at any moment is something that the stores are built for.
fn stop_signal() -> io::Result<oneshot::Receiver<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        let first = next().await;
        log::info!(signal = first; "told to stop");
        let _ = stop.send(());
        let second = next().await;
        log::warn!(signal = second; "told to stop at once");
        logging::flush();
        process::exit(1);
    });
    Ok(stopped)
}
