"""The skeletons of the field, each with its source.

Orders, sigmas and names are those of the data sets; usual families of models are named.
"""

from __future__ import annotations

from pose_estimation_ros.engine.skeletons.skeleton import COCO_SIGMAS, Skeleton, skeleton

_BODY = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle"
)
_BODY_BONES = (
    "15-13 13-11 16-14 14-12 11-12 5-11 6-12 5-6 5-7 6-8 7-9 8-10 1-2 0-1 0-2 1-3 2-4 3-5 4-6"
)

# Lin et al., "Microsoft COCO", 2014; https://cocodataset.org/#keypoints-eval
COCO17 = skeleton("coco17", _BODY, _BODY_BONES, roots=(11, 12), sigmas=COCO_SIGMAS)

# Human3.6M with the torso's joints of 3DMPPE (Moon et al. 2019); ConvNeXtPose (Nguyen et al.
# 2023).
H36M18 = skeleton(
    "h36m18",
    "Pelvis R_Hip R_Knee R_Ankle L_Hip L_Knee L_Ankle Torso Neck Nose Head L_Shoulder L_Elbow "
    "L_Wrist R_Shoulder R_Elbow R_Wrist Thorax",
    "0-7 7-8 8-9 9-10 8-11 11-12 12-13 8-14 14-15 15-16 0-1 1-2 2-3 0-4 4-5 5-6",
    roots=(0,),
)

# Mehta et al., MuCo-3DHP, 2018, in the order of 3DMPPE; ConvNeXtPose.
MUCO21 = skeleton(
    "muco21",
    "Head_top Thorax R_Shoulder R_Elbow R_Wrist L_Shoulder L_Elbow L_Wrist R_Hip R_Knee R_Ankle "
    "L_Hip L_Knee L_Ankle Pelvis Spine Head R_Hand L_Hand R_Toe L_Toe",
    "0-16 16-1 1-15 15-14 14-8 14-11 8-9 9-10 10-19 11-12 12-13 13-20 1-2 2-3 3-4 4-17 1-5 "
    "5-6 6-7 7-18",
    roots=(14,),
)

# Ionescu et al., "Human3.6M", 2014, in the order of VideoPose3D and MMPose.
H36M17 = skeleton(
    "h36m17",
    "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax "
    "neck_base head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    "0-4-5-6 0-1-2-3 0-7-8-9-10 8-11-12-13 8-14-15-16",
    roots=(0,),
)

_FOOT = ("big_toe", "small_toe", "heel")
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")


def _hand(side: str) -> str:
    fingers = [f"{side}_{finger}{number}" for finger in _FINGERS for number in range(1, 5)]
    return " ".join([f"{side}_hand_root", *fingers])


def _hand_bones(first: int) -> str:
    """Five fingers of four joints from the hand's root, joint `first`."""
    chains = ([first, *range(first + k, first + k + 4)] for k in range(1, 21, 4))
    return " ".join("-".join(map(str, chain)) for chain in chains)


def _chain(first: int, last: int, closed: bool = False) -> str:
    """A line through joints of the face, numbered from the face's first."""
    numbers = [*range(first, last + 1), *([first] if closed else [])]
    return "-".join(str(23 + number) for number in numbers)


# Jaw, brows, nose, eyes and lips of the 68 points of iBUG 300-W (Sagonas et al. 2013).
_FACE_BONES = " ".join(
    [
        _chain(0, 16),
        *(_chain(17, 21), _chain(22, 26), _chain(27, 30), _chain(31, 35)),
        *(_chain(first, last, True) for first, last in ((36, 41), (42, 47), (48, 59), (60, 67))),
    ]
)
_FACE_MIRRORED = [
    *((k, 16 - k) for k in range(8)),
    *((17 + k, 26 - k) for k in range(5)),
    *((31, 35), (32, 34)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)),
]
_FACE_SIGMAS = (
    *(0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020, 0.023, 0.029, 0.032),
    *(0.037, 0.038, 0.043, 0.041, 0.045, 0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011),
    *(0.011, 0.013, 0.015, 0.009, 0.007, 0.007, 0.007, 0.012, 0.009, 0.008, 0.016, 0.010),
    *(0.017, 0.011, 0.009, 0.011, 0.009, 0.007, 0.013, 0.008, 0.011, 0.012, 0.010, 0.034),
    *(0.008, 0.008, 0.009, 0.008, 0.008, 0.007, 0.010, 0.008, 0.009, 0.009, 0.009, 0.007),
    *(0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008),
)
_HAND_SIGMAS = (
    *(0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024, 0.022),
    *(0.026, 0.017, 0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031),
)

# Jin et al., "Whole-Body Human Pose Estimation in the Wild", ECCV 2020; sigmas of its evaluation.
# RTMW, DWPose and RTMPose's whole-body models.
COCO_WHOLEBODY133 = skeleton(
    "coco_wholebody133",
    " ".join(
        [
            _BODY,
            *(f"{side}_{part}" for side in ("left", "right") for part in _FOOT),
            *(f"face_{number}" for number in range(68)),
            _hand("left"),
            _hand("right"),
        ]
    ),
    f"{_BODY_BONES} 15-17 15-18 15-19 16-20 16-21 16-22 {_FACE_BONES} 9-91 10-112 "
    f"{_hand_bones(91)} {_hand_bones(112)}",
    roots=(11, 12),
    sigmas=(
        *COCO_SIGMAS,
        *(0.068, 0.066, 0.066, 0.092, 0.094, 0.094),
        *_FACE_SIGMAS,
        *_HAND_SIGMAS,
        *_HAND_SIGMAS,
    ),
    groups=[
        ("body", range(17)),
        ("feet", range(17, 23)),
        ("face", range(23, 91)),
        ("left_hand", range(91, 112)),
        ("right_hand", range(112, 133)),
    ],
    mirrored=[(23 + left, 23 + right) for left, right in _FACE_MIRRORED],
)

# Fang et al., AlphaPose, 2022 (Halpe-FullBody without face and hands); RTMPose's body models.
HALPE26 = skeleton(
    "halpe26",
    f"{_BODY} head neck hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel "
    "right_heel",
    "19-11-13-15 19-12-14-16 17-18-19 18-5-7-9 18-6-8-10 1-2 0-1-3-5 0-2-4-6 15-20 15-22 15-24 "
    "16-21 16-23 16-25",
    roots=(19,),
    sigmas=(*COCO_SIGMAS, 0.026, 0.026, 0.066, *(0.079,) * 6),
)

# Cao et al., OpenPose, 2019: BODY_25.
BODY25 = skeleton(
    "body25",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear "
    "left_ear left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel",
    "0-1-8-9-10-11-22-23 8-12-13-14-19-20 1-2-3-4 1-5-6-7 0-15-17 0-16-18 11-24 14-21",
    roots=(8,),
)

# Bazarevsky et al., BlazePose, 2020: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
MEDIAPIPE33 = skeleton(
    "mediapipe33",
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer "
    "left_ear right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb "
    "right_thumb left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel "
    "right_heel left_foot_index right_foot_index",
    "8-6-5-4-0-1-2-3-7 9-10 11-12 11-13-15-17-19-15-21 12-14-16-18-20-16-22 11-23 12-24 23-24 "
    "23-25-27-29-31-27 24-26-28-30-32-28",
    roots=(23, 24),
)

# Andriluka et al., "2D Human Pose Estimation", 2014; sigmas as MMPose evaluates it.
MPII16 = skeleton(
    "mpii16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck "
    "head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    "0-1-2-6-3-4-5 6-7-8-9 8-12-11-10 8-13-14-15",
    roots=(6,),
    sigmas=(
        *(0.089, 0.083, 0.107, 0.107, 0.083, 0.089, 0.026, 0.026, 0.026, 0.026, 0.062, 0.072),
        *(0.179, 0.179, 0.072, 0.062),
    ),
)

# Li et al., "CrowdPose", 2019, and the sigmas of its evaluation.
CROWDPOSE14 = skeleton(
    "crowdpose14",
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_hip "
    "right_hip left_knee right_knee left_ankle right_ankle top_head neck",
    "10-8-6-0-2-4 11-9-7-1-3-5 6-7 12-13 13-0 13-1",
    roots=(6, 7),
    sigmas=(
        *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
        *(0.079, 0.079),
    ),
)

# Wu et al., "AI Challenger", 2017; sigmas of its evaluation.
AIC14 = skeleton(
    "aic14",
    "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle head_top neck",
    "2-1-0-13-3-4-5 0-6-7-8 3-9-10-11 6-9 12-13",
    roots=(6, 9),
    sigmas=(
        *(0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144, 0.03909642),
        *(0.03686941, 0.01981803, 0.03843971, 0.03412318, 0.02415081, 0.01291456, 0.01236173),
    ),
)

# Of skeletons with as many joints, the first is meant where a file leaves it open and may.
SKELETONS: dict[str, Skeleton] = {
    one.name: one
    for one in (
        *(COCO17, H36M18, MUCO21, H36M17, COCO_WHOLEBODY133, HALPE26, BODY25, MEDIAPIPE33),
        *(MPII16, CROWDPOSE14, AIC14),
    )
}
