//! Plain image kinds, without any model.
//!
//! - [`solid`], [`load_image`]: where pictures come from
//! - [`invert`], [`convert`], [`resize`]: from picture to picture
//! - [`composite`], [`mask_from`]: pictures over each other, and what says where
//! - [`pick`]: one picture of several
//! - [`contact_sheet`]: many pictures on one, with words
//! - [`compare`]: how far two pictures are apart
//! - [`pixels`]: to the `image` crate's types and back

pub mod compare;
pub mod composite;
pub mod contact_sheet;
pub mod convert;
pub mod invert;
pub mod load_image;
pub mod mask_from;
pub mod pick;
pub mod pixels;
pub mod resize;
pub mod solid;

use rondel_sdk::export_plugin;

export_plugin!(
    "node-edit",
    [
        solid::Solid,
        load_image::LoadImage,
        invert::Invert,
        convert::Convert,
        resize::Resize,
        composite::Composite,
        mask_from::MaskFrom,
        pick::Pick,
        contact_sheet::ContactSheet,
        compare::Compare,
    ]
);
