/** The adapters for annotation tools that have a protocol of their own. The setting `adapters` turns them on. */
export const ADAPTER_NAMES = ["cvat", "label-studio", "x-anylabeling", "sam2-demo"] as const;

export type AdapterName = (typeof ADAPTER_NAMES)[number];
