//! Threads that work, by lane.
//!
//! A lane starts a thread when there is a job and none of its threads is free, up to its number, so a small graph starts few.
//! Each lane is one queue: whichever of its threads is free takes the next job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use rondel_value::Lane;

type Job = Box<dyn FnOnce() + Send>;

/// All lanes of a run.
pub struct Lanes {
    workers: BTreeMap<Lane, Workers>,
    /// Whatever its lane, one job at a time.
    is_one_at_a_time: bool,
}

struct Workers {
    n_most: usize,
    n_threads: usize,
    n_busy: usize,
    /// Of the busy ones, those that do not come to an end.
    n_left: usize,
    jobs: mpsc::Sender<Job>,
    /// Shared by the lane's threads; one waits in it while the others work.
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
}

impl Lanes {
    /// `n_cpu` threads for CPU steps; one for the device, 16 for the network, 4 for the disk.
    pub fn new(n_cpu: usize, is_one_at_a_time: bool) -> Lanes {
        let lane = |lane| {
            let n_most = match lane {
                Lane::Cpu => n_cpu.max(1),
                Lane::Gpu => 1,
                Lane::Net => 16,
                Lane::Disk => 4,
            };
            let (jobs, queue) = mpsc::channel();
            let queue = Arc::new(Mutex::new(queue));
            let workers = Workers { n_most, n_threads: 0, n_busy: 0, n_left: 0, jobs, queue };
            (lane, workers)
        };
        Lanes { workers: Lane::ALL.into_iter().map(lane).collect(), is_one_at_a_time }
    }

    /// Whether the lane can begin another job now.
    pub fn has_room(&self, lane: Lane) -> bool {
        let workers = &self.workers[&lane];
        let is_any_busy = || self.workers.values().any(|workers| workers.n_busy > workers.n_left);
        workers.n_busy < workers.n_most + workers.n_left && !(self.is_one_at_a_time && is_any_busy())
    }

    /// Gives a job to the lane; it must end with a message that leads to [`Lanes::done`].
    pub fn start(&mut self, lane: Lane, job: Job) -> std::io::Result<()> {
        let workers = self.workers.get_mut(&lane).expect("every lane is there");
        if workers.n_busy == workers.n_threads {
            let queue = workers.queue.clone();
            // The stack of a main thread: model code in debug builds needs more than a thread's usual two megabytes.
            thread::Builder::new()
                .name(format!("{}-{}", lane.name(), workers.n_threads))
                .stack_size(8 << 20)
                .spawn(move || work(&queue))?;
            workers.n_threads += 1;
        }
        workers.n_busy += 1;
        // The queue lives as long as `self`: it is held right beside the sender.
        let _ = workers.jobs.send(job);
        Ok(())
    }

    /// Notes that a job of the lane is over.
    pub fn done(&mut self, lane: Lane) {
        self.workers.get_mut(&lane).expect("every lane is there").n_busy -= 1;
    }

    /// Notes that a job of the lane does not end: its thread counts no more, and may be replaced.
    pub fn leave(&mut self, lane: Lane) {
        self.workers.get_mut(&lane).expect("every lane is there").n_left += 1;
    }

    /// Notes that a job that was left behind has ended after all, so that its thread is one of the lane's again.
    pub fn came_back(&mut self, lane: Lane) {
        let workers = self.workers.get_mut(&lane).expect("every lane is there");
        workers.n_left -= 1;
        workers.n_busy -= 1;
    }
}

/// Takes jobs until the run drops the sender.
fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().expect("nobody panics while waiting").recv();
        match job {
            Ok(job) => job(),
            Err(mpsc::RecvError) => return,
        }
    }
}
