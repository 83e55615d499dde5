//! Kernels of a GPU that were compiled, and which of them autotune found the fastest: kept between processes in the
//! folder `gpu` of the [cache folder](crate::cache_folder), so that only the first process on a machine waits for them.

use burn::cubecl::config::cache::CacheConfig;
use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

use crate::cache_folder::cache_folder;

/// Has kernels of GPUs kept, before the first use of a GPU. What a `cubecl.toml` of the working folder, or one above it, says
/// of anything else applies, and so does a folder that it names.
pub fn keep_gpu_kernels() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    if let (CacheConfig::Target, Some(folder)) = (&config.environment.path, cache_folder()) {
        config.environment.path = CacheConfig::Directory(folder.join("gpu"));
    }
    // Where a GPU was used before in this process, they are kept already.
    CubeClRuntimeConfig::try_set(config);
}
