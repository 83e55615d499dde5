//! Attributes by their tags (DICOM PS3.6, chapter 6).

use std::fmt;

/// Group and element of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(pub u16, pub u16);

/// Constants of attributes, and how the standard calls them.
macro_rules! attributes {
    ($($name:ident($group:literal, $element:literal) $keyword:ident,)*) => {
        $(pub(super) const $name: Tag = Tag($group, $element);)*

        impl fmt::Display for Tag {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self(group, element) = self;
                let keyword = match *self {
                    $($name => concat!(stringify!($keyword), " "),)*
                    _ => "",
                };
                write!(f, "{keyword}({group:04X},{element:04X})")
            }
        }
    };
}

attributes! {
    TRANSFER_SYNTAX_UID(0x0002, 0x0010) TransferSyntaxUID,
    SAMPLES_PER_PIXEL(0x0028, 0x0002) SamplesPerPixel,
    PHOTOMETRIC_INTERPRETATION(0x0028, 0x0004) PhotometricInterpretation,
    PLANAR_CONFIGURATION(0x0028, 0x0006) PlanarConfiguration,
    NUMBER_OF_FRAMES(0x0028, 0x0008) NumberOfFrames,
    ROWS(0x0028, 0x0010) Rows,
    COLUMNS(0x0028, 0x0011) Columns,
    BITS_ALLOCATED(0x0028, 0x0100) BitsAllocated,
    BITS_STORED(0x0028, 0x0101) BitsStored,
    HIGH_BIT(0x0028, 0x0102) HighBit,
    PIXEL_REPRESENTATION(0x0028, 0x0103) PixelRepresentation,
    WINDOW_CENTER(0x0028, 0x1050) WindowCenter,
    WINDOW_WIDTH(0x0028, 0x1051) WindowWidth,
    RESCALE_INTERCEPT(0x0028, 0x1052) RescaleIntercept,
    RESCALE_SLOPE(0x0028, 0x1053) RescaleSlope,
    VOI_LUT_FUNCTION(0x0028, 0x1056) VOILUTFunction,
    LOSSY_IMAGE_COMPRESSION(0x0028, 0x2110) LossyImageCompression,
    MODALITY_LUT_SEQUENCE(0x0028, 0x3000) ModalityLUTSequence,
    SHARED_FUNCTIONAL_GROUPS(0x5200, 0x9229) SharedFunctionalGroupsSequence,
    PER_FRAME_FUNCTIONAL_GROUPS(0x5200, 0x9230) PerFrameFunctionalGroupsSequence,
    FLOAT_PIXEL_DATA(0x7fe0, 0x0008) FloatPixelData,
    DOUBLE_FLOAT_PIXEL_DATA(0x7fe0, 0x0009) DoubleFloatPixelData,
    PIXEL_DATA(0x7fe0, 0x0010) PixelData,
}
