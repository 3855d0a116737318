export interface SidebarGroup {
  text: string;
  items: { text: string; link: string }[];
}
export function sidebar(): SidebarGroup[];
