/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vfio-user GROUP open|owned: a user of a group's VFIO file, as an emulator is. `open`: has /dev/vfio/GROUP open,
 * and nothing else. `owned`: has a container with a page table attached, too (the vfio.rst of the kernel's driver-api
 * documentation). Says `ready` when that is so, and lets go when its input ends. Needs nothing but libc, as it runs on
 * every machine. Exit 1 with the failed call on standard error. */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The IOMMU types of a container to try: x86 and Arm; PPC64. */
static const int container_types[] = {VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU,
                                      VFIO_SPAPR_TCE_IOMMU};

static bool own(int group)
{
    int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

    if (container < 0) {
        perror("/dev/vfio/vfio");
        return false;
    }
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0) {
        perror("VFIO_GROUP_SET_CONTAINER");
        return false;
    }
    for (size_t i = 0; i < sizeof(container_types) / sizeof(container_types[0]); i++)
        if (ioctl(container, VFIO_SET_IOMMU, container_types[i]) == 0)
            return true;
    perror("VFIO_SET_IOMMU");
    return false;
}

int main(int argc, char **argv)
{
    char path[64], byte;
    int group;

    if (argc != 3 || (strcmp(argv[2], "open") != 0 && strcmp(argv[2], "owned") != 0)) {
        fprintf(stderr, "usage: vfio-user GROUP open|owned\n");
        return 2;
    }
    (void) snprintf(path, sizeof(path), "/dev/vfio/%s", argv[1]);
    group = open(path, O_RDWR | O_CLOEXEC);
    if (group < 0) {
        perror(path);
        return 1;
    }
    if (strcmp(argv[2], "owned") == 0 && !own(group))
        return 1;
    puts("ready");
    (void) fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}
