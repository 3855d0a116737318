export interface SidebarGroup {
  text: string;
  items: { text: string; link: string }[];
}
export const sidebar: SidebarGroup[];
