/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* FEATURE(NAME, MEANING) for each: without a guard, to be included where FEATURE is defined. The words of the
 * Cockpit page are made of these lines, too (client/cockpit/make-words): a line is one feature. */
/* clang-format off */
FEATURE("ats", "the device keeps translations of its own (address translation services)")
FEATURE("pri", "the device can ask for a page that is not in memory (page request interface)")
FEATURE("pasid", "one device, many address spaces; VT-d: where it uses scalable mode")
FEATURE("aux", "an interface inside Linux 5.0 to 5.18, gone since; see pasid")
FEATURE("sva", "a process can share its page tables with the device; not shown whether one does")
FEATURE("dirty-tracking", "pages that were written can be told (live migration); not shown whether it is used")
FEATURE("nested", "a guest's tables on top of the host's; not shown whether it is used")
FEATURE("coherent", "the IOMMU sees changes of its tables without a flush of caches")
FEATURE("snoop-control", "DMA can be made to snoop caches whatever the device asks for")
FEATURE("identity", "DMA can pass untranslated: no protection; enabled: the group's type is identity")
FEATURE("dma-fq", "translated and flushed lazily; enabled: the group's type is DMA-FQ")
/* clang-format on */
