# SPDX-License-Identifier: ISC
"""The rig: brings a bench up, runs one unikernel on its target, and judges what the pin did."""
