*** Settings ***
Documentation       What the tender must refuse, each with a clear message and exit status 1, and with
...                 every pin left as it was: by the target's sysfs and by the registers.
Resource            resources/led.resource
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Template       Tender Should Refuse
Test Timeout        2 minutes


*** Variables ***
${BLINK}            cycles=1 on_us=1000 off_us=1000 final=0


*** Test Cases ***    ARGUMENTS    WORDS OF THE MESSAGE
An LED Without A Line
    -- {test_led} ${BLINK}    Device 'led0' of type LED_BASIC declared but not attached    --led:led0=
A Line That Does Not Exist
    --led:led0=54 -- {test_led} ${BLINK}    54    pinctrl-bcm2835
A Line That Is No Number
    --led:led0=25x -- {test_led} ${BLINK}    25x
An LED That The Unikernel Does Not Declare
    --led:led1=25 -- {test_led} ${BLINK}    led1    not declared
A Line Granted Twice
    --led:led0=25 --led:led0=24 -- {test_led} ${BLINK}    led0
A Unikernel That Is Not There
    --led:led0=25 -- /opt/rig/nothing    /opt/rig/nothing
A File That Is No Unikernel
    --led:led0=25 -- /etc/passwd    /etc/passwd
A Line That Somebody Else Has Exported
    [Setup]    Export Line    led
    --led:led0=25 -- {test_led} ${BLINK}    GPIO 25    already exported
    [Teardown]    Unexport Line    led
A Unikernel Given Wrong Arguments
    --led:led0=25 -- {test_led} cycles=none    cycles=none
