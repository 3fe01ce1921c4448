//! `rondel run`: runs a graph.

mod on_screen;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rondel_cache::Cache;
use rondel_engine::{Clock, Control, Plan, RunOptions};
use rondel_event::{How, Outcome, Report};
use rondel_hosted::Hosted;
use uuid::Uuid;

use super::{Exit, Opened, Purpose, lock};
use crate::alloc::Probe;
use crate::args::{CommonRunArgs, Places, RunArgs};
use crate::memory::Memory;
use crate::output::needs::{refusals, unanswered};
use crate::output::{Display, Onto, files, hosted as prices};
use crate::screen::Stage;
use crate::{signals, size, words};

pub fn run(places: &Places, args: RunArgs) -> Result<Exit> {
    let RunArgs { common, .. } = &args;
    if common.display.quiet {
        words::be_quiet();
    }
    if args.tui {
        on_screen::check(&args)?;
    }
    let memory = Memory::find(&common.memory);
    let mut opened = Opened::new(places, &common.graph, memory.budget_bytes, Purpose::Run)?;
    let plan = match opened.plan()? {
        Ok(plan) => plan,
        Err(exit) => return Ok(exit),
    };
    if args.locked
        && let Err(exit) = lock::hold(&opened.site, &plan.graph)?
    {
        return Ok(exit);
    }
    for name in &args.rerun {
        if !plan.steps.node_weights().any(|step| Plan::is_called(step, name)) {
            // Of a node that is a step at many points, its name means them all.
            let mut steps: Vec<&str> = plan.steps.node_weights().map(|step| &*step.node).collect();
            let mut seen = std::collections::HashSet::new();
            steps.retain(|step| seen.insert(*step));
            words::say(format!("error: `--rerun {name}` is not a step; steps: {}", steps.join(", ")));
            return Ok(Exit::NothingMatched);
        }
    }
    make_report_folder(common)?;
    let control = Control::default();
    let with_bars = words::is_terminal() && !args.plain && !common.display.quiet;
    let mut display = Display::new(&common.display, with_bars, &opened.cache)?;
    let options = RunOptions {
        fail_fast: args.fail_fast,
        keep_going: args.keep_going,
        rerun: args.rerun.clone(),
        verify: args.verify.unwrap_or(0.0),
        ..options(common, &memory, &opened.hosted)
    };
    let (report, signal) = if args.tui {
        let stage = Stage::new(args.script.as_ref())?;
        let (command, limit) = (common.graph.command(), opened.cache_limit_bytes);
        let onto = Onto::new(stage.teller(), command, memory.budget_bytes, opened.cache.clone(), limit);
        display = display.show_on(onto);
        let (report, closed) = on_screen::show(stage, &plan, &opened.cache, &control, || {
            carry_out(&plan, &opened.cache, options, &control, &opened.hosted, &mut display)
        })?;
        display.say_end(&report);
        (report, closed.exit_code())
    } else {
        let asks = control.clone();
        let asked = signals::ask_then_leave(move || asks.cancel())?;
        let report = carry_out(&plan, &opened.cache, options, &control, &opened.hosted, &mut display);
        // One that came as the run ended changed nothing.
        let signal = asked.load(Ordering::Acquire);
        let is_cancelled = report.outcome == Outcome::Cancelled;
        (report, is_cancelled.then_some(signal).filter(|signal| *signal != 0))
    };
    let not_written = display.finish();
    write_report(common, &report)?;
    size::tidy(&opened.cache, opened.cache_limit_bytes);
    not_written?;
    Ok(Exit::Run(signal.unwrap_or_else(|| exit_code(&report))))
}

/// What every run is carried out with.
pub(super) fn options(args: &CommonRunArgs, memory: &Memory, hosted: &Arc<Hosted>) -> RunOptions {
    RunOptions {
        id: Uuid::now_v7().to_string(),
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        clock: Clock::steady(),
        jobs: args.jobs.map(usize::from),
        fail_fast: false,
        keep_going: false,
        rerun: Vec::new(),
        needs: Vec::new(),
        verify: 0.0,
        budget_bytes: memory.budget_bytes,
        previews: args.display.previews.is_some(),
        painter: Some(hosted.clone()),
        probe: Some(Arc::new(Probe)),
        program: concat!("rondel ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// Carries a plan out, and shows it.
pub(super) fn carry_out(
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    options: RunOptions,
    control: &Control,
    hosted: &Hosted,
    display: &mut Display,
) -> Report {
    // Not refused here: a step that runs by its recipe may turn out to be known by content.
    let needs = rondel_engine::needs(plan, cache, &options.rerun);
    let weighed = rondel_engine::weigh(&needs, options.budget_bytes);
    for refusal in refusals(&needs, &weighed, options.budget_bytes).into_iter().chain(unanswered(&needs)) {
        words::say(format!("warning: {refusal}"));
    }
    prices::announce(&needs, hosted);
    let options = RunOptions { needs, ..options };
    display.begin(plan);
    let report = rondel_engine::run(plan, cache, &options, control, &mut |event, view| display.event(event, view));
    display.end(&report);
    report
}

/// Makes the folder that the report goes to, so that a wrong one is found out before the work and not after it.
pub(super) fn make_report_folder(args: &CommonRunArgs) -> Result<()> {
    let folder = args.report.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder).with_context(|| format!("the report cannot be written: {}", folder.display()))
}

pub(super) fn write_report(args: &CommonRunArgs, report: &Report) -> Result<()> {
    let Some(path) = &args.report else { return Ok(()) };
    let text = serde_json::to_vec_pretty(report).context("the report has no JSON form, which is a bug")?;
    files::write(path, &text).with_context(|| format!("the report cannot be written: {}", path.display()))
}

/// The report's own word, unless it contradicts itself: a run that is done has no step that failed or was blocked, unless there
/// was an alternative.
fn exit_code(report: &Report) -> u8 {
    let undone = report.steps.iter().find(|step| matches!(step.how, How::Failed | How::Blocked));
    let had_alternative = report.steps.iter().any(|step| !step.passed_over.is_empty());
    match undone {
        Some(step) if report.exit_code == 0 && !had_alternative => {
            words::say(format!("error: the run is called done, but `{}` is not, which is a bug", step.name));
            1
        }
        _ => report.exit_code,
    }
}
