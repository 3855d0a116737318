export const root: string;
export function documents(): string[];
export function linkedFile(document: string, href: string): string | undefined;
export function isSource(file: string): boolean;
export function sourcePage(file: string): string;
export function linkedSources(): string[];
