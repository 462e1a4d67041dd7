//! The GPU that native tests run on.

use pagelm::kernels::gpu::{Device, Options};
use std::rc::Rc;

/// A device; without one the test fails, unless PAGELM_ALLOW_NO_GPU says that this machine need not have any: then `None`.
///
/// # Panics
/// Without a device.
pub fn device(options: Options) -> Option<Rc<Device>> {
    match pollster::block_on(Device::request(options)) {
        Ok(device) => Some(Rc::new(device)),
        Err(e) if std::env::var_os("PAGELM_ALLOW_NO_GPU").is_some() => {
            println!("SKIPPED, PAGELM_ALLOW_NO_GPU is set: {e}");
            None
        }
        Err(e) => panic!("{e}; install a Vulkan driver such as mesa-vulkan-drivers"),
    }
}
