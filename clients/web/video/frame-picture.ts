/** One decoded picture. */
export interface FramePicture {
  /** Pixels in which the picture is drawn best. */
  readonly width: number;
  readonly height: number;
  /** What it takes in memory. */
  readonly bytes: number;
  /** Draws the whole picture into the box from 0, 0. */
  draw(context: CanvasRenderingContext2D, width: number, height: number): void;
  close(): void;
}

export function pictureOfBitmap(bitmap: ImageBitmap): FramePicture {
  const { width, height } = bitmap;
  return {
    width,
    height,
    bytes: 4 * width * height,
    draw: (context, toWidth, toHeight) => context.drawImage(bitmap, 0, 0, toWidth, toHeight),
    close: () => bitmap.close(),
  };
}
