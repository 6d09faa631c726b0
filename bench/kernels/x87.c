/* x87: a Mandelbrot line and a dot product in extended precision. */
#include "kernel.h"

enum { WIDTH = 96, HEIGHT = 320, LIMIT = 150, VECTOR = 1024 };
static long double a[VECTOR];
static double b[VECTOR];

static unsigned escape(long double cx, long double cy)
{
	long double x = 0, y = 0;
	unsigned i;

	for (i = 0; i < LIMIT; i++) {
		long double xx = x * x, yy = y * y;

		if (xx + yy > 4)
			break;
		y = 2 * x * y + cy;
		x = xx - yy + cx;
	}
	return i;
}

void run(void)
{
	long double dot = 0;
	uint64_t sum = 0;
	unsigned x, y, i;

	begin();
	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			sum += escape((long double)x * 3 / WIDTH - 2, (long double)y * 2 / HEIGHT - 1) * (x + 1);
	for (i = 0; i < VECTOR; i++) {
		a[i] = (long double)i / 7;
		b[i] = 1.0 / (i + 1);
	}
	for (y = 0; y < 2000; y++)
		for (i = 0; i < VECTOR; i++)
			dot += a[i] * b[i];
	end(sum + (uint64_t)(dot * 1000));
}
