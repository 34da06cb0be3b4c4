/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Lists the algorithms in /proc/crypto that an engine's driver has registered and that somebody uses now:
 * dm-crypt, IPsec, kTLS. MODULES are those of the engine's drivers; an engine's algorithms can also be
 * registered by the module that it is built upon (intel_qat below qat_c62x) or by one that is built upon it
 * (ccp_crypto above ccp), which sys/module/NAME/holders tells. A registered algorithm has the count 1, each
 * user one more (crypto/api.c, crypto_mod_get()). The count does not tell which of several equal engines
 * serves whom.
 *
 * Returns 0 with a list of the algorithms' driver names ("qat_aes_xts"), perhaps empty, that owns them;
 * -errno of reading. A driver that is built into the kernel has no module and gives none.
 */
int crypto_engine_algorithms_in_use(int root_fd, char **modules, GPtrArray **ret);
