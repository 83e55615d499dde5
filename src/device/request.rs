//! What `run.device` and `--device` ask for.

use std::str::FromStr;

use crate::error::{Error, Result};

/// What the user asked for with `run.device` or `--device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// CUDA where there is a GPU, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPUs of these indices, as CUDA counts them; the first holds the weights.
    Cuda(Vec<usize>),
}

impl FromStr for Request {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda" => return Ok(Self::Cuda(vec![0])),
            _ => {}
        }
        let index = |part: &str| part.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        let indices: Option<Vec<usize>> = text.split(',').map(index).collect();
        let Some(indices) = indices else {
            return Err(Error::user(format!(
                "device `{text}` is not known: use auto, cpu, cuda, cuda:<index>, or several such as cuda:0,cuda:1"
            )));
        };
        let twice = indices.iter().enumerate().find(|(at, index)| indices[..*at].contains(index));
        if let Some((_, index)) = twice {
            return Err(Error::user(format!("device `{text}` names cuda:{index} twice")));
        }
        Ok(Self::Cuda(indices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_typos_refused() {
        assert_eq!("auto".parse::<Request>().ok(), Some(Request::Auto));
        assert_eq!("cpu".parse::<Request>().ok(), Some(Request::Cpu));
        assert_eq!("cuda".parse::<Request>().ok(), Some(Request::Cuda(vec![0])));
        assert_eq!("cuda:3".parse::<Request>().ok(), Some(Request::Cuda(vec![3])));
        assert_eq!("cuda:1,cuda:0".parse::<Request>().ok(), Some(Request::Cuda(vec![1, 0])));
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU", "", "cuda:0,", "cuda:0,cpu", "cuda:1,cuda:1"]
        {
            assert_eq!(wrong.parse::<Request>().unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
