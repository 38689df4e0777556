/* What a stepped process tells the controller. */
#ifndef STEPS_H
#define STEPS_H

enum { STEP = 's', PAUSE = 'p', DONE = 'd' };

/* From now on each step is told through one descriptor and waits for a byte from the other. */
void steps_on(int to_controller, int from_controller);
void steps_off(void);

#endif
