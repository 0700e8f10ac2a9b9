//! `mediveil sample`.
