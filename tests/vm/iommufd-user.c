/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A program that owns devices as a virtual machine does, step by step: through a group and a container, or
 * through a device's own node and iommufd. It takes one command a line and says for each what the kernel
 * said: "ok", with the number of what was made where there is one, or the name of the errno. It needs
 * nothing but libc, and ends with its input.
 *
 *   open NAME PATH         NAME is what the others mean by it: group, container, device, iommufd
 *   close NAME
 *   set-container          the group into the container
 *   set-iommu              the container begins to translate (type 1, version 2)
 *   get-device ADDRESS     the device out of the group
 *   bind                   the device to the iommufd
 *   allocate               an address space of the iommufd; says its number
 *   allocate-table SPACE   a page table for the device, in that address space; says its number
 *   attach NUMBER          the device to an address space or a page table, in place of what it has
 *   detach
 *   map                    the first region of the device into memory
 *   unmap
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vfio.h>
#include <unistd.h>

/* What the headers of Debian 12 do not know yet: include/uapi/linux/vfio.h and iommufd.h of Linux 6.12. */
struct bind_iommufd {
    uint32_t argsz, flags;
    int32_t iommufd;
    uint32_t out_devid;
};
struct attach_iommufd_pt {
    uint32_t argsz, flags, pt_id;
};
struct detach_iommufd_pt {
    uint32_t argsz, flags;
};
struct ioas_alloc {
    uint32_t size, flags, out_ioas_id;
};
struct hwpt_alloc {
    uint32_t size, flags, dev_id, pt_id, out_hwpt_id, reserved, data_type, data_len;
    uint64_t data_uptr;
};
#define BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#define DETACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 20)
#define IOAS_ALLOC _IO(';', 0x81)
#define HWPT_ALLOC _IO(';', 0x89)

enum { GROUP, CONTAINER, DEVICE, IOMMUFD, N_FILES };

static const char *const file_names[N_FILES] = { "group", "container", "device", "iommufd" };
static int files[N_FILES] = { -1, -1, -1, -1 };
static uint32_t device_id;
static void *memory;
static size_t memory_size;

/* Each step returns a number to be said, 0 for none, or -1 with errno. */

static int find_file(const char *name)
{
    for (int i = 0; i < N_FILES; i++)
        if (strcmp(name, file_names[i]) == 0)
            return i;
    errno = EINVAL;
    return -1;
}

static long open_file(char *words)
{
    char *path = strchr(words, ' ');
    int i;

    if (path)
        *path++ = '\0';
    i = find_file(words);
    if (i < 0)
        return -1;
    if (!path || files[i] >= 0) {
        errno = EINVAL;
        return -1;
    }
    files[i] = open(path, O_RDWR | O_CLOEXEC);
    return files[i] < 0 ? -1 : 0;
}

static long close_file(char *words)
{
    int i = find_file(words), r;

    if (i < 0)
        return -1;
    r = close(files[i]);
    files[i] = -1;
    return r;
}

static long set_container(char *words)
{
    return ioctl(files[GROUP], VFIO_GROUP_SET_CONTAINER, &files[CONTAINER]);
}

static long set_iommu(char *words)
{
    return ioctl(files[CONTAINER], VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
}

static long get_device(char *words)
{
    files[DEVICE] = ioctl(files[GROUP], VFIO_GROUP_GET_DEVICE_FD, words);
    return files[DEVICE] < 0 ? -1 : 0;
}

static long bind_device(char *words)
{
    struct bind_iommufd bind = { .argsz = sizeof bind, .iommufd = files[IOMMUFD] };

    if (ioctl(files[DEVICE], BIND_IOMMUFD, &bind) < 0)
        return -1;
    device_id = bind.out_devid;
    return device_id;
}

static long allocate(char *words)
{
    struct ioas_alloc space = { .size = sizeof space };

    return ioctl(files[IOMMUFD], IOAS_ALLOC, &space) < 0 ? -1 : (long) space.out_ioas_id;
}

static long allocate_table(char *words)
{
    struct hwpt_alloc table = {
        .size = sizeof table,
        .dev_id = device_id,
        .pt_id = (uint32_t) strtoul(words, NULL, 10),
    };

    return ioctl(files[IOMMUFD], HWPT_ALLOC, &table) < 0 ? -1 : (long) table.out_hwpt_id;
}

static long attach(char *words)
{
    struct attach_iommufd_pt attach = {
        .argsz = sizeof attach,
        .pt_id = (uint32_t) strtoul(words, NULL, 10),
    };

    return ioctl(files[DEVICE], ATTACH_IOMMUFD_PT, &attach) < 0 ? -1 : (long) attach.pt_id;
}

static long detach(char *words)
{
    struct detach_iommufd_pt detach = { .argsz = sizeof detach };

    return ioctl(files[DEVICE], DETACH_IOMMUFD_PT, &detach);
}

static long map(char *words)
{
    struct vfio_region_info region = { .argsz = sizeof region, .index = VFIO_PCI_BAR0_REGION_INDEX };
    void *at;

    if (ioctl(files[DEVICE], VFIO_DEVICE_GET_REGION_INFO, &region) < 0)
        return -1;
    at = mmap(NULL, region.size, PROT_READ, MAP_SHARED, files[DEVICE], (off_t) region.offset);
    if (at == MAP_FAILED)
        return -1;
    memory = at;
    memory_size = region.size;
    return 0;
}

static long unmap(char *words)
{
    return munmap(memory, memory_size);
}

static const struct {
    const char *name;
    long (*run)(char *words);
} steps[] = {
    { "open", open_file },
    { "close", close_file },
    { "set-container", set_container },
    { "set-iommu", set_iommu },
    { "get-device", get_device },
    { "bind", bind_device },
    { "allocate", allocate },
    { "allocate-table", allocate_table },
    { "attach", attach },
    { "detach", detach },
    { "map", map },
    { "unmap", unmap },
};

static long run_step(char *line)
{
    char *words = line + strcspn(line, " ");

    if (*words)
        *words++ = '\0';
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(line, steps[i].name) == 0)
            return steps[i].run(words);
    errno = EOPNOTSUPP;
    return -1;
}

int main(void)
{
    char line[512];

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        long number;

        line[strcspn(line, "\n")] = '\0';
        number = run_step(line);
        if (number > 0)
            printf("ok %ld\n", number);
        else
            puts(number == 0 ? "ok" : strerrorname_np(errno));
    }
    return EXIT_SUCCESS;
}
