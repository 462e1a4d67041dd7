use super::super::{Cpu, Kernels, Output};
use super::*;
use crate::kernels::reference::Scalar;
use crate::kernels::{Activation, Attention, Backend, CacheShape, Head, KvType, PassKey, Step};
use std::collections::HashSet;
use std::sync::Mutex;
use std::thread::{JoinHandle, current, sleep, spawn};
use std::time::Duration;

/// A pool whose helpers are threads of this process, ended when it goes.
struct Native {
    shared: &'static Shared,
    pool: Pool,
    helpers: Vec<JoinHandle<()>>,
}

fn lost() -> ! {
    panic!("a helper was lost")
}

impl Native {
    fn new(threads: usize) -> Self {
        let shared: &'static Shared = Box::leak(Box::default());
        let helpers = (1..threads).map(|_| spawn(move || shared.help())).collect();
        Self { shared, pool: Pool::new(shared, threads, lost), helpers }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.shared.close();
        for helper in self.helpers.drain(..) {
            helper.join().unwrap();
        }
    }
}

#[test]
fn every_unit_is_done_once_in_every_operation() {
    for threads in 1..=4 {
        let native = Native::new(threads);
        let mut operations = 0;
        for step in 0..40 {
            let n = 1 + step % 2;
            native.pool.begin(n);
            for units in [0, 1, 2, 3, 5, 64] {
                let counts: Vec<AtomicUsize> = (0..units).map(|_| AtomicUsize::new(0)).collect();
                native.pool.run(n, units, &|part| part.for_each(|i| _ = counts[i].fetch_add(1, SeqCst)));
                assert!(counts.iter().all(|count| count.load(SeqCst) == 1), "{threads} threads, {units} units");
                operations += 1;
            }
            native.pool.end();
        }
        assert_eq!(operations, 240);
    }
}

#[test]
fn every_unit_is_done_once_outside_of_a_step() {
    for threads in 1..=3 {
        let native = Native::new(threads);
        for units in [0, 1, 2, 50] {
            let counts: Vec<AtomicUsize> = (0..units).map(|_| AtomicUsize::new(0)).collect();
            native.pool.spread(units, &|part| part.for_each(|i| _ = counts[i].fetch_add(1, SeqCst)));
            assert!(counts.iter().all(|count| count.load(SeqCst) == 1), "{threads} threads, {units} units");
            assert!(!native.shared.is_awake.load(SeqCst));
        }
    }
}

#[test]
fn every_item_of_a_row_is_given_once() {
    for threads in 1..=3 {
        let native = Native::new(threads);
        for (products, count) in [(0, 5), (1 << 20, 0), (1 << 20, 1), (1 << 20, 50)] {
            let mut items: Vec<usize> = (0..count).collect();
            native.pool.begin(1);
            native.pool.items(products, &mut items, &|item| *item += 1);
            native.pool.end();
            assert!(items.iter().enumerate().all(|(i, item)| *item == i + 1), "{threads} threads: {items:?}");
        }
    }
}

/// Works long enough for all threads to come; how many of them did.
fn threads_of(pool: &Pool, n: usize) -> usize {
    let names = Mutex::new(HashSet::new());
    pool.begin(n);
    pool.run(n, 64, &|_| {
        names.lock().unwrap().insert(current().id());
        sleep(Duration::from_millis(1));
    });
    pool.end();
    names.into_inner().unwrap().len()
}

#[test]
fn as_many_threads_take_part_as_were_asked_for() {
    let native = Native::new(3);
    native.shared.set_row_threads(2);
    assert_eq!((threads_of(&native.pool, 1), threads_of(&native.pool, 2)), (2, 3));
}

#[test]
fn a_helper_that_never_came_is_not_waited_for() {
    let shared: &'static Shared = Box::leak(Box::default());
    assert_eq!(threads_of(&Pool::new(shared, 2, lost), 1), 1);
}

#[test]
#[should_panic(expected = "a helper was lost")]
fn a_helper_that_failed_is_not_waited_for() {
    let shared: &'static Shared = Box::leak(Box::default());
    Pool::new(shared, 2, lost).run(1, 2, &|_| {
        // comes in and never leaves
        if shared.gate.load(SeqCst) & INSIDE == 0 {
            shared.gate.fetch_add(1, SeqCst);
            shared.fail();
        }
    });
}

/// A step with every divided operation; returns all that it wrote, as bits.
fn outputs<K: Kernels>(pool: Pool, n: usize) -> Vec<u32> {
    let mut b = Cpu::<K>::new();
    b.set_pool(pool);
    let f32_type = crate::quant::TensorType::from_name("F32").unwrap();
    let (rows, cols) = (72, 64);
    let w = b.create_matrix("w", f32_type, rows, cols).unwrap();
    let bytes: Vec<u8> = (0..rows * cols).flat_map(|i| ((i % 37) as f32 * 0.1 - 1.8).to_le_bytes()).collect();
    b.write_rows(w, 0, &bytes).unwrap();
    let weight = b.create_vector("norm", &vec![1.5; cols]).unwrap();
    let [x, y, out, mixed] =
        [cols, cols, rows, cols].map(|width| b.create_buffer("buffer", K::MAX_ROWS, width).unwrap());
    b.create_cache(64, &[CacheShape::KeysValues { heads: 2, head_dim: 16, window: None }], KvType::F32).unwrap();
    let [k, v] = [32, 32].map(|width| b.create_buffer("kv", K::MAX_ROWS, width).unwrap());
    for (id, buffer) in [(x, 3), (y, 5), (k, 7), (v, 11)] {
        b.write(id, n, |_, _, all| {
            all.iter_mut().enumerate().for_each(|(i, x)| *x = (i * buffer % 23) as f32 * 0.07 - 0.8);
            Ok(())
        })
        .unwrap();
    }
    let a = Attention { heads: 4, kv_heads: 2, head_dim: 16, scale: 0.25, window: None, soft_cap: None };
    b.pass(Step { tokens: &vec![0; n], position: 0 }, PassKey { rows: n, head: Head::None }, &mut |b| {
        b.rms_norm(n, x, 0, weight, 1e-5, y)?;
        b.matmul(n, w, y, out)?;
        b.gated(n, y, x, Activation::Silu)?;
        b.store_kv(n, 0, k, v)?;
        b.attention(n, 0, x, a, mixed)
    })
    .unwrap();
    let mut read = |id| pollster::block_on(b.read(id, n)).unwrap();
    [read(y), read(out), read(mixed)].concat().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for n in [1, 2, 33, 64] {
        let alone = outputs::<Scalar>(Pool::default(), n);
        assert!(alone.iter().any(|&bits| bits != 0));
        for threads in 2..=4 {
            let native = Native::new(threads);
            assert_eq!(outputs::<Scalar>(native.pool, n), alone, "{threads} threads, {n} rows");
        }
    }
}

/// The reference's backend joins products by the same functions, so that no comparison with it would tell.
#[test]
fn products_together_are_those_of_each_matrix() {
    let (cols, n) = (64, 3);
    let f32_type = crate::quant::TensorType::from_name("F32").unwrap();
    let matrix = |rows: usize, step: usize| {
        let mut w = Scalar::create_matrix(f32_type, rows, cols).unwrap();
        let bytes: Vec<u8> =
            (0..rows * cols).flat_map(|i| ((i * step % 37) as f32 * 0.1 - 1.8).to_le_bytes()).collect();
        Scalar::write_rows(&mut w, 0, &bytes, &Pool::default()).unwrap();
        w
    };
    let [g, u, other] = [(48, 3), (48, 5), (72, 7)].map(|(rows, step)| matrix(rows, step));
    let x: Vec<f32> = (0..n * cols).map(|i| (i % 23) as f32 * 0.07 - 0.8).collect();
    let [gate, up, third] = [&g, &u, &other].map(|w| {
        let rows = Scalar::shape(w).0;
        let mut out = vec![0.0; n * rows];
        Scalar::matmul(w, n, &x, &(), 0..Scalar::panels(w), &mut Output::new(&mut out, rows));
        out
    });
    let mut gated = gate.clone();
    Scalar::gated(&mut gated, &up, Activation::Silu);
    assert!(gate != up && gated.iter().chain(&third).all(|x| x.is_finite()));
    for threads in 1..=4 {
        let native = Native::new(threads);
        let [mut a, mut b, mut c] = [&gate, &up, &third].map(|out| vec![f32::NAN; out.len()]);
        native.pool.begin(n);
        matmuls::<Scalar>(&native.pool, n, &mut [(&g, &mut a), (&u, &mut b), (&other, &mut c)], &x, &());
        assert_eq!((&a, &b, &c), (&gate, &up, &third), "{threads} threads");
        let pair = [(&g, &mut *a), (&u, &mut *b)];
        matmul_gated::<Scalar>(&native.pool, n, pair, (&x, &()), Activation::Silu);
        assert_eq!((&a, &b), (&gated, &up), "{threads} threads");
        native.pool.end();
    }
}

#[test]
fn rows_are_divided_without_a_gap() {
    let native = Native::new(3);
    let mut all = vec![0.0; 7 * 1024];
    native.pool.begin(7);
    rows(&native.pool, &mut all, 1024, &|row, out| out.fill(1.0 + row as f32));
    native.pool.end();
    let mut out = Output::new(&mut all, 1024);
    for row in 0..7 {
        assert!(out.part(row, 0..1024).iter().all(|&x| x == 1.0 + row as f32));
    }
}
