/* Conditions tttn (SDM vol. 2D B.1.4.7). They use what lowering knows of the operation that made the flags. */
#ifndef XRAY86_EMU_OPS_CONDITION_H
#define XRAY86_EMU_OPS_CONDITION_H

#include "emu/access.h"
#include "emu/block.h"

/* For odd conditions the complement is returned. Both arguments are constants wherever this is instantiated. */
ALWAYS_INLINE bool condition_holds(const struct cpu *cpu, enum producer producer, unsigned condition)
{
	const struct lazy_flags *f = &cpu->flags;
	bool negate = condition & 1;

	if (producer == PRODUCER_SUB) {
		switch (condition >> 1) {
		case 1:
			return (f->a < f->b) != negate;
		case 2:
			return (f->a == f->b) != negate;
		case 3:
			return (f->a <= f->b) != negate;
		case 4:
			return (f->result >> 63) != negate;
		case 6:
			return ((int64_t)f->a < (int64_t)f->b) != negate;
		case 7:
			return ((int64_t)f->a <= (int64_t)f->b) != negate;
		}
	} else if (producer == PRODUCER_LOGIC) {
		switch (condition >> 1) {
		case 0:
		case 1:
			return negate;
		case 2:
		case 3:
			return (f->result == 0) != negate;
		case 4:
		case 6:
			return (f->result >> 63) != negate;
		case 7:
			return ((int64_t)f->result <= 0) != negate;
		}
	} else if (producer == PRODUCER_RESULT) {
		switch (condition >> 1) {
		case 2:
			return (f->result == 0) != negate;
		case 4:
			return (f->result >> 63) != negate;
		}
	}
	return flags_condition(f, condition);
}

/* The pairs that have a handler of their own: X(producer, condition). */
#define SUB_CONDITIONS(X, ...)                                                                                                               \
	X(PRODUCER_SUB, 2, __VA_ARGS__) X(PRODUCER_SUB, 3, __VA_ARGS__) X(PRODUCER_SUB, 4, __VA_ARGS__) X(PRODUCER_SUB, 5, __VA_ARGS__)      \
	X(PRODUCER_SUB, 6, __VA_ARGS__) X(PRODUCER_SUB, 7, __VA_ARGS__) X(PRODUCER_SUB, 8, __VA_ARGS__) X(PRODUCER_SUB, 9, __VA_ARGS__)      \
	X(PRODUCER_SUB, 12, __VA_ARGS__) X(PRODUCER_SUB, 13, __VA_ARGS__) X(PRODUCER_SUB, 14, __VA_ARGS__) X(PRODUCER_SUB, 15, __VA_ARGS__)
#define LOGIC_CONDITIONS(X, ...)                                                                                                             \
	X(PRODUCER_LOGIC, 4, __VA_ARGS__) X(PRODUCER_LOGIC, 5, __VA_ARGS__) X(PRODUCER_LOGIC, 6, __VA_ARGS__)                                \
	X(PRODUCER_LOGIC, 7, __VA_ARGS__) X(PRODUCER_LOGIC, 8, __VA_ARGS__) X(PRODUCER_LOGIC, 9, __VA_ARGS__)                                \
	X(PRODUCER_LOGIC, 12, __VA_ARGS__) X(PRODUCER_LOGIC, 13, __VA_ARGS__) X(PRODUCER_LOGIC, 14, __VA_ARGS__)                             \
	X(PRODUCER_LOGIC, 15, __VA_ARGS__)
#define RESULT_CONDITIONS(X, ...)                                                                                                            \
	X(PRODUCER_RESULT, 4, __VA_ARGS__) X(PRODUCER_RESULT, 5, __VA_ARGS__) X(PRODUCER_RESULT, 8, __VA_ARGS__)                             \
	X(PRODUCER_RESULT, 9, __VA_ARGS__)
#define UNKNOWN_CONDITIONS(X, ...)                                                                                                           \
	X(PRODUCER_UNKNOWN, 0, __VA_ARGS__) X(PRODUCER_UNKNOWN, 1, __VA_ARGS__) X(PRODUCER_UNKNOWN, 2, __VA_ARGS__)                          \
	X(PRODUCER_UNKNOWN, 3, __VA_ARGS__) X(PRODUCER_UNKNOWN, 4, __VA_ARGS__) X(PRODUCER_UNKNOWN, 5, __VA_ARGS__)                          \
	X(PRODUCER_UNKNOWN, 6, __VA_ARGS__) X(PRODUCER_UNKNOWN, 7, __VA_ARGS__) X(PRODUCER_UNKNOWN, 8, __VA_ARGS__)                          \
	X(PRODUCER_UNKNOWN, 9, __VA_ARGS__) X(PRODUCER_UNKNOWN, 10, __VA_ARGS__) X(PRODUCER_UNKNOWN, 11, __VA_ARGS__)                        \
	X(PRODUCER_UNKNOWN, 12, __VA_ARGS__) X(PRODUCER_UNKNOWN, 13, __VA_ARGS__) X(PRODUCER_UNKNOWN, 14, __VA_ARGS__)                       \
	X(PRODUCER_UNKNOWN, 15, __VA_ARGS__)
#define ALL_CONDITIONS(X, ...)             \
	UNKNOWN_CONDITIONS(X, __VA_ARGS__) \
	SUB_CONDITIONS(X, __VA_ARGS__)     \
	LOGIC_CONDITIONS(X, __VA_ARGS__)   \
	RESULT_CONDITIONS(X, __VA_ARGS__)

#endif
